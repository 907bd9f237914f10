/** Image configuration + what was asked → the OCI runtime configuration of the container, but for its seccomp filter: see choose-seccomp.ts. */
import { readFileSync } from 'node:fs';
import { DEFAULT_SLICE } from '../cgroup/scope.ts';
import type { ResolvedUser } from '../image/user.ts';
import { type ContainerId, containerPath, type HostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import type { HostFacts } from '../runtime/plan.ts';
import {
  type Capability,
  capabilityNames,
  changeCapabilities,
  DEFAULT_CAPABILITIES,
  HARDENED_CAPABILITIES,
} from '../security/capabilities.ts';
import { maskedPaths, READONLY_PATHS } from '../security/paths.ts';
import { chooseSysctls } from '../security/sysctls.ts';
import type { ContainerDefaults } from '../spec/image.ts';
import type { LinuxSpec, MountSpec, NamespaceSpec, RuntimeSpec } from '../spec/runtime.ts';
import { engineFileMounts, sharedFileMounts } from './container-files.ts';
import type { ContainerOptions, NetworkOptions } from './container-options.ts';
import { findDevices, readHostDevices } from './host-devices.ts';
import type { NetworkPeer } from './network-peer.ts';
import { chooseResources } from './resource-options.ts';

export interface SpecInput {
  readonly id: ContainerId;
  readonly options: ContainerOptions;
  readonly image: ContainerDefaults;
  readonly user: ResolvedUser;
  readonly hostname: string;
  /** The container's directory, which holds its /etc/hosts and so on. */
  readonly dir: HostPath;
  /** The container whose network this one shares. */
  readonly peer?: NetworkPeer | undefined;
  readonly host: HostFacts;
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Docker's. */
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

export function containerSpec(input: SpecInput): RuntimeSpec {
  const { options, image, user, hostname, host } = input;
  const capabilities = chooseCapabilities(options, host);
  return {
    ociVersion: '1.3.0',
    root: { path: 'rootfs', readonly: options.readonlyRoot },
    hostname,
    process: {
      terminal: options.tty,
      cwd: chooseWorkdir(options.workdir ?? image.WorkingDir),
      args: chooseArgs(options, image),
      env: chooseEnv(input),
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      // Inheritable and ambient stay empty: with them, a program run by an ordinary user would have capabilities (CVE-2022-29162).
      capabilities: {
        bounding: capabilities,
        permitted: capabilities,
        effective: user.uid === 0 ? capabilities : [],
      },
      noNewPrivileges: options.noNewPrivileges,
      rlimits: options.rlimits,
      ...(options.oomScoreAdj === undefined ? {} : { oomScoreAdj: options.oomScoreAdj }),
    },
    mounts: chooseMounts(input),
    linux: chooseLinux(input),
  };
}

function chooseArgs(options: ContainerOptions, image: ContainerDefaults): readonly string[] {
  const entrypoint =
    options.entrypoint === undefined
      ? (image.Entrypoint ?? [])
      : options.entrypoint === ''
        ? []
        : [options.entrypoint];
  const defaultCommand = options.entrypoint === undefined ? (image.Cmd ?? []) : [];
  const args = [...entrypoint, ...(options.command.length > 0 ? options.command : defaultCommand)];
  if (args.length === 0) {
    throw new TsrunError('NO_COMMAND', `Cannot run ${options.image}: no command specified`, {
      hint: 'the image names neither an entrypoint nor a command; give one after the image',
    });
  }
  return args;
}

function chooseWorkdir(workdir: string | undefined): string {
  if (workdir === undefined || workdir === '') return '/';
  if (!workdir.startsWith('/')) {
    throw new TsrunError(
      'BAD_WORKDIR',
      `Cannot use the working directory ${JSON.stringify(workdir)}: it is not an absolute path`,
      { hint: 'give the path from /' },
    );
  }
  return containerPath(workdir);
}

/** Later values of a name replace earlier ones, in their place. An image's entry without `=` never takes the host's value. */
function chooseEnv({ options, image, user, hostname }: SpecInput): readonly string[] {
  const fixed = [DEFAULT_PATH, `HOSTNAME=${hostname}`, ...(options.tty ? ['TERM=xterm'] : [])];
  const entries = [...fixed, ...(image.Env ?? []), ...options.env].filter((entry) => entry.indexOf('=') > 0);
  const byName = new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]));
  if (!byName.has('HOME')) byName.set('HOME', `HOME=${user.home}`);
  for (const entry of byName.values()) {
    if (entry.includes('\0'))
      throw new TsrunError('BAD_ENV', `Cannot set ${JSON.stringify(entry)}: it holds a NUL byte`);
  }
  return [...byName.values()];
}

function chooseCapabilities(options: ContainerOptions, host: HostFacts): readonly Capability[] {
  const ordinary = options.hardened ? HARDENED_CAPABILITIES : DEFAULT_CAPABILITIES;
  const basics = options.privileged ? capabilityNames(host.boundingCapabilities) : ordinary;
  return changeCapabilities(basics, { add: options.capAdd, drop: options.capDrop });
}

function chooseMounts({ options, dir, peer }: SpecInput): readonly MountSpec[] {
  const access = options.privileged ? 'rw' : 'ro';
  const shielded = ['nosuid', 'noexec', 'nodev'];
  const standard: readonly MountSpec[] = [
    { destination: '/proc', type: 'proc', options: shielded },
    { destination: '/dev', type: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    {
      destination: '/dev/pts',
      type: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', options: [...shielded, access] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', options: [...shielded, access] },
    { destination: '/dev/mqueue', type: 'mqueue', options: shielded },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...shielded, 'mode=1777', `size=${options.shmBytes ?? DEFAULT_SHM_BYTES}`],
    },
    ...(peer === undefined ? engineFileMounts(dir) : sharedFileMounts(peer.mounts)),
  ];
  const destinations = options.mounts.map((m) => m.destination);
  const twice = destinations.find((destination, i) => destinations.indexOf(destination) !== i);
  if (twice !== undefined) {
    throw new TsrunError('DUPLICATE_MOUNT', `Cannot mount two things at ${twice}`, {
      hint: 'give each -v and --tmpfs a place of its own in the container',
    });
  }
  const asked = new Set(destinations);
  // A mount below another must come after it, or the other would hide it.
  const depth = (m: MountSpec) => m.destination.split('/').filter((part) => part !== '').length;
  return [...standard.filter((m) => !asked.has(m.destination)), ...options.mounts].toSorted(
    (a, b) => depth(a) - depth(b),
  );
}

function chooseLinux({ id, options, host, peer }: SpecInput): LinuxSpec {
  const kinds: readonly NamespaceSpec['type'][] = [
    'pid',
    'mount',
    'ipc',
    'uts',
    ...(options.cgroupNamespace === 'host' ? [] : ['cgroup' as const]),
  ];
  const { kind } = options.network.mode;
  const own = { network: kind === 'none' || kind === 'network', ipc: true, user: false, uts: true };
  const network: readonly NamespaceSpec[] = own.network
    ? [{ type: 'network' }]
    : peer === undefined
      ? []
      : [{ type: 'network', path: `/proc/${peer.process.pid}/ns/net` }];
  const asked = findDevices(options.devices);
  const confined: Partial<LinuxSpec> = options.privileged
    ? { devices: [...readHostDevices(), ...asked.devices] }
    : {
        devices: asked.devices,
        maskedPaths: maskedPaths(readFileSync('/sys/devices/system/cpu/possible', 'utf8')),
        readonlyPaths: READONLY_PATHS,
      };
  return {
    namespaces: [...kinds.map((type) => ({ type })), ...network],
    sysctl: { ...interfaceSysctls(options.network, host), ...chooseSysctls(options.sysctls, own) },
    cgroupsPath: chooseCgroupsPath(id, options),
    resources: chooseResources(options, asked.rules, host.cgroup),
    ...confined,
  };
}

function chooseCgroupsPath(id: ContainerId, { cgroupManager, cgroupParent }: ContainerOptions): string {
  if (cgroupManager === 'systemd') return `${cgroupParent ?? DEFAULT_SLICE}:tsrun:${id}`;
  return cgroupParent === undefined ? `tsrun-${id}` : `${cgroupParent}/tsrun-${id}`;
}

/**
 * No other container may make itself the router of this one; and every address works from the first moment. `default` is what
 * an interface begins with that a running container gets (network connect); the first ones may be there before it is written.
 */
function interfaceSysctls(
  { mode: { kind }, more }: NetworkOptions,
  { ipv6 }: HostFacts,
): Readonly<Record<string, string>> {
  if ((kind !== 'network' && kind !== 'none') || !ipv6.available) return {};
  const links = ['default', ...(kind === 'network' ? ['eth0', ...more.map((_, i) => `eth${i + 1}`)] : [])];
  const names = links.flatMap((link) => [`${link}/accept_ra`, `${link}/accept_dad`]);
  return Object.fromEntries(names.map((name) => [`net/ipv6/conf/${name}`, '0']));
}
