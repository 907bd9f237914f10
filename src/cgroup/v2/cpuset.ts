/** cpuset.* of cgroup v2. Documentation/admin-guide/cgroup-v2.rst, Cpuset. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { type Setting, setting } from '../setting.ts';

const ON_THESE_PROCESSORS = 'The processors that the container runs on.';
const ON_THESE_NODES = 'The memory nodes that its memory comes from.';

/** Lists as `0-2,7`, written as they are: the kernel says what is wrong with one. cpuset(7), List format. */
export function cpusetSettings({ cpu = {} }: ResourcesSpec): readonly Setting[] {
  return [
    ...setting(cpu.cpus || undefined, 'cpuset.cpus', String, ON_THESE_PROCESSORS),
    ...setting(cpu.mems || undefined, 'cpuset.mems', String, ON_THESE_NODES),
  ];
}
