/** cpuset.* of cgroup v1. cpuset(7). */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import type { Cpuset } from '../host.ts';
import type { Setting } from '../setting.ts';
import { cpusetSettings as asked } from '../v2/cpuset.ts';

/** What is not asked for is the parent's. */
export function cpusetSettings(
  resources: ResourcesSpec,
  changing: boolean,
  own: Cpuset | undefined,
): readonly Setting[] {
  const wanted = asked(resources);
  if (wanted.length === 0 || changing) return wanted;
  const inherited = inheritedCpuset(own).filter(({ file }) => !wanted.some((one) => one.file === file));
  return [...inherited, ...wanted];
}

/** A new cgroup has neither processors nor memory nodes, and takes no process without both. */
export function inheritedCpuset(own: Cpuset | undefined): readonly Setting[] {
  if (own === undefined) return [];
  const why = 'The same as its parent has: a new cpuset begins with nothing, and takes no process then.';
  return [
    { file: 'cpuset.cpus', value: own.cpus, why },
    { file: 'cpuset.mems', value: own.mems, why },
  ];
}
