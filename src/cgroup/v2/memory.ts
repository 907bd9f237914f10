/** memory.* of cgroup v2. Documentation/admin-guide/cgroup-v2.rst, Memory. */
import { TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { noController, orMax, type Setting, setting } from '../setting.ts';

/** In bytes. Swappiness and waiting at the limit are errors: only v1 has them. */
export function memorySettings({ memory = {} }: ResourcesSpec): readonly Setting[] {
  if (memory.swappiness !== undefined)
    throw v1Only(
      'the swappiness of the container',
      'memory.swappiness',
      'leave out --memory-swappiness; on cgroup v2 --memory-swap alone says how much may be swapped',
    );
  if (memory.kernelTCP !== undefined && memory.kernelTCP >= 0)
    throw v1Only(
      'the buffers of TCP',
      'memory.kmem.tcp.limit_in_bytes',
      'leave out linux.resources.memory.kernelTCP; on cgroup v2 memory.max counts them too',
    );
  if (memory.disableOOMKiller)
    throw v1Only(
      'how memory runs out',
      'memory.oom_control',
      'leave out --oom-kill-disable; on cgroup v2 a process is ended when nothing can be taken back',
    );
  return [
    ...setting(
      memory.limit,
      'memory.max',
      orMax,
      'At this many bytes the kernel first takes back what can be read again, then kills a process of the container.',
    ),
    ...setting(
      swapAlone(memory.swap, memory.limit),
      'memory.swap.max',
      orMax,
      'How many bytes of it may be moved to swap: v2 counts swap apart from memory.',
    ),
    ...setting(
      memory.reservation,
      'memory.low',
      orMax,
      'Up to this many bytes the container keeps its memory while others can give up theirs.',
    ),
  ];
}

/** OCI gives memory and swap together, v2 wants swap alone. */
function swapAlone(total: number | undefined, memoryLimit: number | undefined): number | undefined {
  if (total === undefined || total < 0) return total;
  if (memoryLimit === undefined || memoryLimit < 0)
    throw new TsrunError('BAD_LIMIT', 'Cannot limit memory and swap together: memory alone has no limit', {
      hint: 'give --memory too',
    });
  if (total < memoryLimit)
    throw new TsrunError(
      'BAD_LIMIT',
      `Cannot limit memory and swap together to ${total} bytes: memory alone may take ${memoryLimit}`,
      { hint: '--memory-swap is the sum of memory and swap' },
    );
  return total - memoryLimit;
}

function v1Only(what: string, file: string, hint: string): TsrunError {
  return noController(`${file} (cgroup v2 has none, only v1 does)`, what, hint);
}
