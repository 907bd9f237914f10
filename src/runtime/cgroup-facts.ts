/** What this host has of cgroups, read from the kernel. */
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { type CgroupHost, type Cpuset, placeCgroup, type V1Hierarchy } from '../cgroup/host.ts';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;
const CGROUP2_MOUNT = hostPath('/sys/fs/cgroup');
const HYBRID_MOUNT = hostPath('/sys/fs/cgroup/unified');

/**
 * As the process `pid` has it: containers of v1 go below the cgroups it is in. What only a limit needs is read when it is asked for:
 * most starts have none, and a host may have many mounts.
 */
export function readCgroupHost(pid: number | 'self' = 'self'): CgroupHost {
  const own = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  const pure = isCgroup2(CGROUP2_MOUNT);
  const v2Mount = pure ? CGROUP2_MOUNT : isCgroup2(HYBRID_MOUNT) ? HYBRID_MOUNT : undefined;
  const v2Base = v2Mount === undefined || canWrite(v2Mount) ? '/' : (/^0::(.*)$/m.exec(own)?.[1] ?? '/');
  let v1: CgroupHost['v1'] | undefined;
  const readBase = (file: string) => readFileIfThere(`${v2Mount}${v2Base}/${file}`) ?? '';
  return {
    v2Mount,
    v2Controllers: v2Mount === undefined ? [] : words(readBase('cgroup.controllers')),
    v2Base,
    // Only the root of a machine has no type.
    v2Busy: v2Mount !== undefined && readBase('cgroup.type') !== '' && readBase('cgroup.procs') !== '',
    get v1() {
      v1 ??= pure ? {} : readV1(own);
      return v1;
    },
    get hasSystemd() {
      return existsSync('/run/systemd/system');
    },
    get countsSwap() {
      return existsSync(pure ? '/proc/swaps' : `${this.v1.memory?.mount}/memory.memsw.limit_in_bytes`);
    },
  };
}

function readV1(own: string): CgroupHost['v1'] {
  const hierarchies = v1Hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), own);
  return Object.fromEntries(Object.entries(hierarchies).map(([name, one]) => [name, withCpuset(name, one)]));
}

/**
 * From /proc/self/mountinfo, where each v1 hierarchy is mounted, and /proc/self/cgroup, where the caller is in it. proc_pid_mountinfo(5),
 * cgroups(7). A mount may show a part of the hierarchy only, as inside a container.
 */
export function v1Hierarchies(mountinfo: string, ownCgroups: string): Readonly<Record<string, V1Hierarchy>> {
  const own = new Map(
    ownCgroups.split('\n').flatMap((line) => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return controllers.split(',').map((name) => [name, path] as const);
    }),
  );
  const found: Record<string, V1Hierarchy> = {};
  const lines = mountinfo.split('\n');
  // The pattern is slow, and most mounts are no cgroups.
  for (const [i, line] of lines.entries()) {
    if (!line.includes(' - cgroup ')) continue;
    if (isHidden(line, lines.slice(i + 1))) continue;
    const [, root = '', mount = '', options = ''] =
      /^\d+ \d+ \S+ (\S+) (\S+) .* - cgroup \S+ (\S+)$/.exec(line) ?? [];
    for (const name of options.split(',').filter((option) => option !== '' && own.has(option))) {
      const base = below(root, own.get(name) ?? '/');
      if (base !== undefined) found[name] ??= { mount: hostPath(mount), base };
    }
  }
  return found;
}

const mountPoint = (line: string) => line.split(' ', 5)[4] ?? '';

/** Under a later mount, on it or above: no path leads there any more. */
function isHidden(line: string, later: readonly string[]): boolean {
  const path = `${mountPoint(line)}/`;
  return later.some((other) => path.startsWith(`${mountPoint(other)}/`) && other !== '');
}

/** `path` as it is called below `root`; undefined when it is not there. */
function below(root: string, path: string): string | undefined {
  if (root === '/') return path;
  if (path === root) return '/';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

function withCpuset(name: string, hierarchy: V1Hierarchy): V1Hierarchy {
  if (name !== 'cpuset') return hierarchy;
  return {
    ...hierarchy,
    get cpuset() {
      return readCpuset(hostPath(`${hierarchy.mount}${hierarchy.base}`));
    },
  };
}

/** `host` as a container at `cgroupsPath` finds it: its cpuset is that of the cgroups above, which may have less than we have. */
export function withCpusetAbove(host: CgroupHost, cgroupsPath: string): CgroupHost {
  const hierarchy = host.v1.cpuset;
  if (hierarchy === undefined) return host;
  const { mount, base, path } = placeCgroup(hierarchy.mount, hierarchy.base, cgroupsPath);
  let cpuset = readCpuset(hostPath(`${mount}/${base}`));
  const unset: string[] = [];
  const parts = path.split('/');
  for (let depth = base === '' ? 1 : base.split('/').length + 1; depth < parts.length; depth++) {
    const above = parts.slice(0, depth).join('/');
    const found = readCpuset(hostPath(`${mount}/${above}`));
    if (found.cpus === '' || found.mems === '') unset.push(above);
    else cpuset = found;
  }
  return { ...host, v1: { ...host.v1, cpuset: { ...hierarchy, cpuset: { ...cpuset, unset } } } };
}

function readCpuset(directory: HostPath): Cpuset {
  const read = (file: string) => readFileIfThere(`${directory}/${file}`)?.trim() ?? '';
  return { cpus: read('cpuset.cpus'), mems: read('cpuset.mems') };
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');

function canWrite(directory: HostPath): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EROFS' || errnoOf(error) === 'EACCES') return false;
    throw error;
  }
}

function isCgroup2(path: HostPath): boolean {
  try {
    return statfsSync(path).type === CGROUP2_SUPER_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
