/** The container's cgroup: made before the container, so that it is born inside, and removed after it. cgroups(7). */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';

/** Where cgroup v2 is on this host, and what it can do there. */
export interface CgroupHost {
  /** The mount of cgroup v2: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host; undefined where there is none. */
  readonly v2Mount: HostPath | undefined;
  /** Controllers that v2 has; on a hybrid host v1 holds them and this is empty. */
  readonly v2Controllers: readonly string[];
}

export interface CgroupPlan {
  /** Before the clone; opens the descriptor `cgroup`. */
  readonly before: readonly Op[];
  readonly cleanup: readonly Op[];
}

export function canLimitPids(host: CgroupHost): boolean {
  return host.v2Mount !== undefined && host.v2Controllers.includes('pids');
}

/** `name` is a single path component; `pidsLimit` counts processes and threads, undefined for no limit. */
export function planCgroup(
  host: CgroupHost,
  name: string,
  pidsLimit: number | undefined,
): CgroupPlan | undefined {
  if (pidsLimit !== undefined && !canLimitPids(host)) {
    throw new TsrunError(
      'NO_CONTROLLER',
      `Cannot limit the container to ${pidsLimit} processes: cgroup v2 has no pids controller on this host`,
      { hint: 'boot with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1), or leave out the limit' },
    );
  }
  if (host.v2Mount === undefined) return undefined;
  return {
    before: [
      openDirectory('cgroups', undefined, host.v2Mount, 'The root of the cgroup v2 hierarchy.'),
      {
        op: 'mkdir',
        at: 'cgroups',
        path: name,
        mode: 0o755,
        why: 'A directory in cgroupfs is a cgroup: this one will hold the container and nothing else.',
      },
      openDirectory('cgroup', 'cgroups', name, 'clone3 takes the cgroup as a descriptor.'),
      ...(pidsLimit === undefined ? [] : limitPids(pidsLimit)),
    ],
    cleanup: [
      { op: 'rmdir', at: 'cgroups', path: name, why: 'An empty cgroup is removed like a directory.' },
      {
        op: 'write',
        at: 'cgroup',
        path: 'cgroup.kill',
        data: '1',
        tolerate: ['ENOENT'],
        why: 'Ends what may be left in the cgroup (kernel 5.14), so that it can be removed.',
      },
    ],
  };
}

function limitPids(limit: number): readonly Op[] {
  return [
    {
      op: 'write',
      at: 'cgroups',
      path: 'cgroup.subtree_control',
      data: '+pids',
      why: 'A controller works in a cgroup only when its parent hands it down.',
    },
    {
      op: 'write',
      at: 'cgroup',
      path: 'pids.max',
      data: `${limit}`,
      why: `A fork bomb ends at ${limit} processes and threads.`,
    },
  ];
}

function openDirectory(into: string, at: string | undefined, path: string, why: string): Op {
  return {
    op: 'open',
    into,
    ...(at === undefined ? {} : { at }),
    path,
    flags: K.O_PATH + K.O_DIRECTORY,
    mode: 0,
    resolve: 0,
    why,
  };
}
