/** The system call filter. seccomp(2). */
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import type { Listener } from './plan-listener.ts';
import type { SeccompProgram } from './seccomp-compile.ts';

/** seccomp_unotify(2): the filter asks a supervisor, whose descriptor somebody must take. */
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;

/** Whether `filter` asks a supervisor. */
export function asksSupervisor(filter: SeccompProgram | undefined): boolean {
  return filter !== undefined && (filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) !== 0;
}

/** With a listener the descriptor `listener` must be open. Throws `SECCOMP_NOTIFY` for a filter that asks nobody. */
export function planSeccomp(filter: SeccompProgram | undefined, listener?: Listener): readonly Op[] {
  if (filter === undefined) return [];
  const { flags, program } = filter;
  if (!asksSupervisor(filter))
    return [
      {
        op: 'seccomp',
        flags,
        program,
        why: `A filter of ${program.length / 8} instructions decides about every system call from here on: what is not on its list is refused.`,
      },
    ];
  if (listener === undefined)
    throw new TsrunError(
      'SECCOMP_NOTIFY',
      'Cannot load the seccomp profile: it uses SCMP_ACT_NOTIFY, and nobody would answer its questions',
      { hint: 'replace SCMP_ACT_NOTIFY in the profile by SCMP_ACT_ERRNO or SCMP_ACT_ALLOW' },
    );
  return [
    {
      op: 'seccomp_notify',
      flags,
      program,
      socket: 'listener',
      state: listener.state,
      why: `A filter of ${program.length / 8} instructions decides about every system call from here on, or asks the supervisor: it gets the descriptor to answer by.`,
    },
  ];
}
