/** What of limits this host can hold, as `docker info` describes it. */
import type { CgroupHost, CgroupManager } from '../cgroup/host.ts';

/** The controllers that limits need: their names in v2 and v1, and what cannot be limited without them. */
const WANTED: readonly (readonly [v2: string, v1: string, limits: string])[] = [
  ['memory', 'memory', 'memory'],
  ['cpu', 'cpu', 'processor time'],
  ['cpuset', 'cpuset', 'which processors are used'],
  ['io', 'blkio', 'disks'],
  ['pids', 'pids', 'the number of processes'],
];

export interface CgroupDescription {
  /** Of containers that are run without saying which. */
  readonly CgroupDriver: CgroupManager;
  /** Of the one that has the controllers: on a hybrid host that is 1. */
  readonly CgroupVersion: '1' | '2';
  readonly CgroupControllers: readonly string[];
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly Warnings: readonly string[];
}

export function describeCgroups(
  { v2Controllers, v1, countsSwap }: CgroupHost,
  manager: CgroupManager,
): CgroupDescription {
  const oldControllers = Object.keys(v1).filter((name) => !name.includes('=')); // name=systemd limits nothing
  const has = (names: readonly string[]) => names.some((name) => v2Controllers.includes(name) || name in v1);
  const missing = WANTED.filter(([name, oldName]) => !has([name, oldName]));
  const swap = has(['memory']) && countsSwap;
  return {
    CgroupDriver: manager,
    CgroupVersion: oldControllers.length === 0 ? '2' : '1',
    CgroupControllers: [...v2Controllers, ...oldControllers].toSorted(),
    MemoryLimit: has(['memory']),
    SwapLimit: swap,
    CpuCfsQuota: has(['cpu']),
    CPUShares: has(['cpu']),
    CPUSet: has(['cpuset']),
    PidsLimit: has(['pids']),
    Warnings: [
      ...missing.map(
        ([name, oldName, limits]) =>
          `WARNING: No cgroup controller ${oldControllers.length === 0 ? name : oldName}: ${limits} cannot be limited`,
      ),
      ...(has(['memory']) && !swap ? ['WARNING: No swap limit support'] : []),
    ],
  };
}
