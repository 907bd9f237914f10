/** The configuration that `tsrun-oci spec` writes: a shell in a read-only root, with what runc's has. */
import { maskedPaths, READONLY_PATHS } from '../../security/paths.ts';
import type { IdMapping, MountSpec, NamespaceSpec, NamespaceType, RuntimeSpec } from '../../spec/runtime.ts';
import { OCI_VERSION } from './record.ts';

/** Who is to be root in a container that needs no root to start. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];
const NAMESPACES: readonly NamespaceType[] = ['pid', 'network', 'ipc', 'uts', 'mount'];

/** What of the host it depends on. */
export interface StarterFacts {
  /** The text of /sys/devices/system/cpu/possible. */
  readonly possibleCpus: string;
  /** Whether /sys/fs/cgroup is cgroup v2: then the container sees its own cgroup as the root. */
  readonly unifiedCgroups: boolean;
}

const MOUNTS: readonly MountSpec[] = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  {
    destination: '/dev/mqueue',
    type: 'mqueue',
    source: 'mqueue',
    options: ['nosuid', 'noexec', 'nodev'],
  },
  {
    destination: '/sys',
    type: 'sysfs',
    source: 'sysfs',
    options: ['nosuid', 'noexec', 'nodev', 'ro'],
  },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
  },
];

/** With an owner, one that this user may start. */
export function starterSpec({ possibleCpus, unifiedCgroups }: StarterFacts, owner?: Owner): RuntimeSpec {
  const namespaces: NamespaceType[] = [...NAMESPACES, ...(unifiedCgroups ? (['cgroup'] as const) : [])];
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        ambient: CAPABILITIES,
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'tsrun-oci',
    mounts: owner === undefined ? MOUNTS : MOUNTS.map(rootlessMount),
    linux: {
      ...(owner === undefined
        ? { resources: { devices: [{ allow: false, access: 'rwm' }] }, namespaces: namespaces.map(ofType) }
        : {
            ...rootlessIds(owner),
            namespaces: [...namespaces.filter((type) => type !== 'network'), 'user' as const].map(ofType),
          }),
      maskedPaths: maskedPaths(possibleCpus),
      readonlyPaths: READONLY_PATHS,
    },
  };
}

function ofType(type: NamespaceType): NamespaceSpec {
  return { type };
}

function rootlessIds({ uid, gid }: Owner) {
  const one = (hostID: number): IdMapping[] => [{ containerID: 0, hostID, size: 1 }];
  return { uidMappings: one(uid), gidMappings: one(gid) };
}

/**
 * A new sysfs may be mounted only by who owns the network namespace, and this one has the host's: sysfs(5). The group of
 * terminals has no number in a user namespace with one user.
 */
function rootlessMount(mount: MountSpec): MountSpec {
  if (mount.type === 'sysfs')
    return { ...mount, type: 'none', source: '/sys', options: ['rbind', ...(mount.options ?? [])] };
  if (mount.options === undefined) return mount;
  return { ...mount, options: mount.options.filter((option) => !option.startsWith('gid=')) };
}
