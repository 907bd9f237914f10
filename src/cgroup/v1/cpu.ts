/** cpu.* of cgroup v1. Documentation/scheduler/sched-bwc.rst, sched-rt-group.rst. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { type Setting, setting } from '../setting.ts';

/**
 * A period comes before its share of time: the kernel takes no share that is longer. Below a cgroup that has a limit, a shorter period
 * would give the old share too much, and comes after the new one.
 */
export function cpuSettings({ cpu = {} }: ResourcesSpec, changing: boolean): readonly Setting[] {
  const period = setting(
    cpu.period || undefined,
    'cpu.cfs_period_us',
    String,
    'The period, in microseconds, over which the quota counts.',
  );
  const again = changing && cpu.quota !== undefined;
  return [
    ...setting(
      cpu.shares === 0 ? undefined : cpu.shares,
      'cpu.shares',
      String,
      'Who wants the same processor gets it in proportion to the shares: 1024 is usual.',
    ),
    ...(again ? period.map((one) => ({ ...one, tolerate: ['EINVAL'] as const })) : period),
    ...setting(
      cpu.quota === undefined ? undefined : cpu.quota || -1,
      'cpu.cfs_quota_us',
      String,
      'So many microseconds may run in each period; then the container waits for the next one.',
    ),
    ...(again ? period : []),
    ...setting(
      cpu.burst,
      'cpu.cfs_burst_us',
      String,
      'So many microseconds that were not used may be saved for later periods.',
    ),
    ...setting(
      cpu.realtimePeriod,
      'cpu.rt_period_us',
      String,
      'The period, in microseconds, over which realtime runs count.',
    ),
    ...setting(
      cpu.realtimeRuntime,
      'cpu.rt_runtime_us',
      String,
      'So many microseconds of each period may go to realtime processes; without it the kernel lets there be none.',
    ),
    ...setting(cpu.idle, 'cpu.idle', String, 'With 1 it runs only when nothing else wants the processor.'),
  ];
}
