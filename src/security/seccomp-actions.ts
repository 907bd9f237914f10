/** What a filter answers: OCI action names as the kernel's return values (include/uapi/linux/seccomp.h). */
import type { SeccompAction, SeccompFlag } from '../spec/seccomp.ts';

const ACTIONS: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

const EPERM = 1;
const ENOSYS = 38;
const ACTION_MASK = 0xffff0000;

/** For a call through an architecture that the profile does not list; what libseccomp answers. */
export const ANSWER_FOREIGN_ARCH = ACTIONS.SCMP_ACT_KILL_THREAD;
/** For a call that is newer than the profile: programs try the older call then, which they do not after EPERM. */
export const ANSWER_NO_SUCH_CALL = ACTIONS.SCMP_ACT_ERRNO | ENOSYS;

/** The 32-bit value a filter returns for `action`; its low half is the errno, EPERM when none is given. */
export function answerFor(action: SeccompAction, errnoRet: number | undefined): number {
  const takesErrno = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return takesErrno ? ACTIONS[action] + (errnoRet ?? EPERM) : ACTIONS[action];
}

/** Whether `answer` lets more happen than `other`: the kernel's own order, in which the action is a signed number. */
export function isMorePermissive(answer: number, other: number): boolean {
  return (answer & ACTION_MASK) > (other & ACTION_MASK);
}

/** The flags of seccomp(2) for the names of the specification. */
const FLAGS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1 << 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 1 << 5,
};
const NEW_LISTENER = 1 << 3;
const TSYNC_ESRCH = 1 << 4;

/**
 * The flag bits for a filter. One that notifies needs a descriptor for its supervisor (NEW_LISTENER); with it, TSYNC
 * must report a thread it cannot reach by an error, because the thread's id would look like the descriptor. Waiting
 * killably means nothing, and is an error, without a supervisor.
 */
export function filterFlags(names: readonly SeccompFlag[], notifies: boolean): number {
  const flags = names.reduce((bits, name) => bits | FLAGS[name], 0);
  if (!notifies) return flags & ~FLAGS.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  return flags | NEW_LISTENER | (flags & FLAGS.SECCOMP_FILTER_FLAG_TSYNC ? TSYNC_ESRCH : 0);
}
