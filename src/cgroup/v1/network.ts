/** net_cls.* and net_prio.*, which cgroup v1 alone has. Documentation/admin-guide/cgroup-v1/net_cls.rst, net_prio.rst. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { type Setting, setting } from '../setting.ts';

export function classSettings({ network }: ResourcesSpec): readonly Setting[] {
  return setting(
    network?.classID,
    'net_cls.classid',
    String,
    'Traffic control of the host knows the packets of the container by this number.',
  );
}

/** One line a write: the kernel reads no more. The interfaces are those of the host. */
export function prioritySettings({ network }: ResourcesSpec): readonly Setting[] {
  return (network?.priorities ?? []).map(({ name, priority }) => ({
    file: 'net_prio.ifpriomap',
    value: `${name} ${priority}`,
    why: `The priority of its packets that leave by ${name}.`,
  }));
}
