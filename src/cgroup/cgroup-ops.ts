/** Ops that every plan for a cgroup is made of, whoever made the cgroups above it. cgroups(7). */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import type { DeviceRule, ResourcesSpec } from '../spec/runtime.ts';
import { compileDeviceRules } from './device-program.ts';
import { deviceRules } from './device-rules.ts';
import type { CgroupWrite } from './setting.ts';

export interface CgroupPlan {
  /** Before the clone; opens the descriptor `cgroup`, when there is v2. */
  readonly before: readonly Op[];
  /** While the child waits: v1 takes a process only once it is there. */
  readonly join: readonly Op[];
  readonly cleanup: readonly Op[];
  /** After that, where the end is recorded: what keeps the counters until they are read. */
  readonly hold: readonly Op[];
  /** Before the cleanup, which runs backwards: whether memory ran out. */
  readonly count: readonly Op[];
  /** Whether the descriptor `cgroup` is there for the clone. */
  readonly bornInside: boolean;
}

/** A cgroup, or in v2 the controllers, for what limits the container, or all there are. */
export type WhichCgroups = 'limited' | 'all';

/** Those of v2 that the cgroups above must hand down. */
export function controllersOf(writes: readonly CgroupWrite[]): readonly string[] {
  const needed = writes.filter((one) => one.version === 2 && one.controller !== 'cgroup');
  return [...new Set(needed.map((one) => one.controller))];
}

export function openV2Root(mount: HostPath): Op {
  return openDirectory('cgroups', undefined, mount, 'The root of the cgroup v2 hierarchy.');
}

export function handDown(path: string, controllers: readonly string[]): Op {
  return {
    op: 'write',
    at: 'cgroups',
    path: path === '' ? 'cgroup.subtree_control' : `${path}/cgroup.subtree_control`,
    data: controllers.map((name) => `+${name}`).join(' '),
    why: 'A controller works in a cgroup only when every cgroup above hands it down.',
  };
}

export function writeSetting(at: string, { file, value, why, tolerate }: CgroupWrite): Op {
  return {
    op: 'write',
    at,
    path: file,
    data: value,
    why,
    ...(tolerate === undefined ? {} : { tolerate }),
  };
}

export function openDirectory(into: string, at: string | undefined, path: string, why: string): Op {
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

/** Which devices may be opened, when not all. */
export function planDevices({ devices }: ResourcesSpec): readonly Op[] {
  const rules = deviceRules(devices);
  if (rules.length === 0) return [];
  return [
    {
      op: 'cgroup_device',
      cgroup: 'cgroup',
      program: compileDeviceRules(rules),
      why: whyDevices(devices ?? []),
    },
  ];
}

function whyDevices({ length }: readonly DeviceRule[]): string {
  const more = length === 0 ? '' : `, what ${length === 1 ? 'a rule allows' : `${length} rules allow`}`;
  return `The kernel asks this program before a device is opened: null, zero, full, random, urandom, terminals${more}, and no other.`;
}

/** Cleanup, which runs backwards: what is left is killed, and then the directory goes. */
export function removeV2(path: string): readonly Op[] {
  return [
    { op: 'rmdir', at: 'cgroups', path, why: 'An empty cgroup is removed like a directory.' },
    {
      op: 'write',
      at: 'cgroup',
      path: 'cgroup.kill',
      data: '1',
      tolerate: ['ENOENT'],
      why: 'Ends what may be left in the cgroup (kernel 5.14), so that it can be removed.',
    },
  ];
}

/** Without the memory controller there is no such file, and nobody counts. */
export function countOomKills(at: string, path: string): Op {
  return {
    op: 'count_oom_kills',
    at,
    path,
    tolerate: ['ENOENT'],
    why: 'Whether the kernel has ended a process of the container because memory ran out: the record of its end says so.',
  };
}
