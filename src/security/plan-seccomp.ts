/** The system call filter. seccomp(2). */
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import type { SeccompProgram } from './seccomp-compile.ts';

/** seccomp_unotify(2): the filter asks a supervisor, whose descriptor somebody must take. */
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;

export function planSeccomp(filter: SeccompProgram | undefined): readonly Op[] {
  if (filter === undefined) return [];
  if (filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
    throw new TsrunError(
      'SECCOMP_NOTIFY',
      'Cannot load the seccomp profile: it uses SCMP_ACT_NOTIFY, and nobody would answer its questions',
      { hint: 'replace SCMP_ACT_NOTIFY in the profile by SCMP_ACT_ERRNO or SCMP_ACT_ALLOW' },
    );
  }
  return [
    {
      op: 'seccomp',
      flags: filter.flags,
      program: filter.program,
      why: `A filter of ${filter.program.length / 8} instructions decides about every system call from here on: what is not on its list is refused.`,
    },
  ];
}
