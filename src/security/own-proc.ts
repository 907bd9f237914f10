/** A procfs that nobody else could have made. */
import { create } from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';
import type { MountSpec } from '../spec/runtime.ts';

/** Opens `proc`, unless the mount of /proc has left it open. */
export function planOwnProc(mounts: readonly MountSpec[]): readonly Op[] {
  if (mounts.some((m) => m.destination === '/proc' && m.type === 'proc')) return [];
  return [
    { op: 'fsopen', into: 'fs', fstype: 'proc', why: 'A procfs to write through, which no path leads to.' },
    create(),
    { op: 'fsmount', into: 'proc', fs: 'fs', attributes: 0, why: 'It stays detached.' },
  ];
}
