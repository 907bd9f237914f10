/** The system call filter. seccomp(2). */
import type { Op } from '../kernel/ops.ts';
import type { SeccompProgram } from './seccomp-compile.ts';

export function planSeccomp(filter: SeccompProgram | undefined): readonly Op[] {
  if (filter === undefined) return [];
  return [
    {
      op: 'seccomp',
      flags: filter.flags,
      program: filter.program,
      why: `A filter of ${filter.program.length / 8} instructions decides about every system call from here on: what is not on its list is refused.`,
    },
  ];
}
