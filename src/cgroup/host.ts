/** The hierarchies of cgroups on a host, and where in them the cgroups of a container lie. cgroups(7). */
import { type HostPath, hostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';

/** What a host has of cgroups. On a hybrid host v1 holds the controllers, and v2 has none. */
export interface CgroupHost {
  /** The mount of cgroup v2: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host; undefined where there is none. */
  readonly v2Mount: HostPath | undefined;
  /** Those that the base below has. */
  readonly v2Controllers: readonly string[];
  /** Where containers go when nothing else is said: a path from the mount, `/` where that can be written. */
  readonly v2Base: string;
  /** Whether that one has processes of its own, and so can hand no controller down. The root of a machine may have some. */
  readonly v2Busy: boolean;
  /** The v1 hierarchies by controller; none on a host with v2 alone. */
  readonly v1: Readonly<Record<string, V1Hierarchy>>;
  /** Whether the kernel counts swap by cgroup. */
  readonly countsSwap: boolean;
  /** Whether systemd is the init of this system, sd_booted(3), and so can be asked for a cgroup. */
  readonly hasSystemd: boolean;
}

export interface V1Hierarchy {
  readonly mount: HostPath;
  /** The caller's own cgroup, a path from the mount: containers go below it, so that they stay within its limits. */
  readonly base: string;
  /** Of the hierarchy with cpuset. A new cgroup there begins with nothing, and takes no process. */
  readonly cpuset?: Cpuset;
}

/** What the cgroup above a container's may use: processors and memory nodes, as cpuset(7) lists them. */
export interface Cpuset {
  readonly cpus: string;
  readonly mems: string;
  /** Of the cgroups above, from the mount, those that are not there yet or have nothing: they are to be given the same. */
  readonly unset?: readonly string[];
}

/** Who makes the cgroup that a container lies in: we, or systemd for us. */
export type CgroupManager = 'cgroupfs' | 'systemd';

/** Without being asked to. In v1 it would cost each start 10 ms: a process that moves waits for all processors. */
export function canLimitPids(host: CgroupHost): boolean {
  return host.v2Controllers.includes('pids') && !host.v2Busy;
}

/** The cgroups of one container, as directories of the host. */
export interface ContainerCgroups {
  readonly v2?: HostPath;
  /** By controller. */
  readonly v1: Readonly<Record<string, HostPath>>;
  /** The unit of systemd that the one of v2 lies in, when systemd made it. */
  readonly scope?: string;
  /** They had processes of others already: those stay, and so do the cgroups. */
  readonly areShared?: boolean;
}

/** The directory of a cgroup: its hierarchy's mount, and the path from there. */
export interface CgroupPlace {
  readonly mount: HostPath;
  /** From the mount, with no `/` at either end. */
  readonly path: string;
  /** What of the path is there already. */
  readonly base: string;
}

/**
 * Places the cgroup that a specification calls `cgroupsPath`: from the mount when it begins with `/`, below `base`
 * otherwise. A path that climbs is refused, or a container could be put into, and then govern, a cgroup of others
 * (CVE-2023-6476).
 */
export function placeCgroup(mount: HostPath, base: string, cgroupsPath: string): CgroupPlace {
  const parts = partsOf(cgroupsPath);
  if (parts.length === 0 || parts.includes('..') || cgroupsPath.includes('\0'))
    throw new TsrunError('BAD_CGROUP', `Cannot use ${JSON.stringify(cgroupsPath)} as the path of a cgroup`, {
      hint: 'give a path without ..',
    });
  const from = cgroupsPath.startsWith('/') ? [] : partsOf(base);
  return { mount, path: [...from, ...parts].join('/'), base: from.join('/') };
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** The cgroups a container has: one in v2 where there is v2, and one in each v1 hierarchy of `v1Controllers`. */
export function containerCgroups(
  host: CgroupHost,
  cgroupsPath: string,
  v1Controllers: readonly string[],
): ContainerCgroups {
  const directory = (mount: HostPath, base: string) => {
    const place = placeCgroup(mount, base, cgroupsPath);
    return hostPath(`${place.mount}/${place.path}`);
  };
  return {
    ...(host.v2Mount === undefined ? {} : { v2: directory(host.v2Mount, host.v2Base) }),
    v1: Object.fromEntries(
      v1Controllers.flatMap((controller) => {
        const hierarchy = host.v1[controller];
        return hierarchy === undefined ? [] : [[controller, directory(hierarchy.mount, hierarchy.base)]];
      }),
    ),
  };
}
