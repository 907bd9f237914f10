/** memory.* of cgroup v1. Documentation/admin-guide/cgroup-v1/memory.rst. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { type Setting, setting } from '../setting.ts';

/**
 * Memory alone may never be allowed more than memory and swap together. A cgroup that has limits already is
 * therefore first freed of the latter, so that both can change in either direction.
 */
export function memorySettings({ memory = {} }: ResourcesSpec, changing: boolean): readonly Setting[] {
  const { limit, swap, reservation, swappiness, disableOOMKiller, kernelTCP } = memory;
  return [
    ...setting(
      changing && limit !== undefined && swap !== undefined ? -1 : undefined,
      'memory.memsw.limit_in_bytes',
      String,
      'Memory may not be allowed more than memory and swap together, so that limit goes before it is set anew.',
    ),
    ...setting(
      limit,
      'memory.limit_in_bytes',
      String,
      'At this many bytes the kernel first takes back what can be read again, then kills a process of the container.',
    ),
    ...setting(
      swap,
      'memory.memsw.limit_in_bytes',
      String,
      'How many bytes memory and swap may take together.',
    ),
    ...setting(
      reservation,
      'memory.soft_limit_in_bytes',
      String,
      'When memory is short on the host, the container is pressed back towards this many bytes.',
    ),
    ...setting(
      kernelTCP,
      'memory.kmem.tcp.limit_in_bytes',
      String,
      'How many bytes the buffers of its TCP connections may take.',
    ),
    ...setting(
      swappiness,
      'memory.swappiness',
      String,
      'How readily memory goes to swap, rather than being taken from the page cache: 0 to 100.',
    ),
    ...setting(
      disableOOMKiller ? 1 : undefined,
      'memory.oom_control',
      String,
      'At the limit a process waits until there is memory again, instead of being killed.',
    ),
  ];
}
