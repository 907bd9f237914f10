/** cpu.* of cgroup v2. Documentation/admin-guide/cgroup-v2.rst, CPU. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { noController, type Setting, setting } from '../setting.ts';

/** sched_group_cpu_quota: what the kernel takes when no period is given. */
const DEFAULT_PERIOD_US = 100_000;

/** Docker's shares become a weight, a quota and its period (both in microseconds) one line. Realtime limits are an error: only v1 has them. */
export function cpuSettings({ cpu = {} }: ResourcesSpec): readonly Setting[] {
  if (cpu.realtimeRuntime !== undefined || cpu.realtimePeriod !== undefined)
    throw noController(
      'cpu.rt_runtime_us (cgroup v2 has none, only v1 does)',
      'realtime scheduling',
      'leave out --cpu-rt-runtime and --cpu-rt-period',
    );
  return [
    ...setting(
      cpu.shares === 0 ? undefined : cpu.shares,
      'cpu.weight',
      (shares) => `${weightOfShares(shares)}`,
      (shares) =>
        `Who wants the same processor gets it in proportion to the weights: ${shares} shares are this much, 100 is usual.`,
    ),
    ...setting(
      maximum(cpu.quota, cpu.period),
      'cpu.max',
      String,
      'So many microseconds may run in each period of so many; then the container waits for the next one.',
    ),
    ...setting(
      cpu.burst,
      'cpu.max.burst',
      String,
      'So many microseconds that were not used may be saved for later periods.',
    ),
    ...setting(cpu.idle, 'cpu.idle', String, 'With 1 it runs only when nothing else wants the processor.'),
  ];
}

/**
 * 1024 shares of v1 are the weight 100 of v2, each the usual one, and the proportion of any two stays what it was. Beyond the
 * ends of the range of weights it cannot. As systemd has it: docs/decisions/limits.md.
 */
export function weightOfShares(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.floor((shares * 100) / 1024)));
}

function maximum(quota: number | undefined, period: number | undefined): string | undefined {
  if (quota === undefined && period === undefined) return undefined;
  return `${quota === undefined || quota <= 0 ? 'max' : quota} ${period || DEFAULT_PERIOD_US}`;
}
