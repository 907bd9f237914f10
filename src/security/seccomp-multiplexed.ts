/**
 * 32-bit x86 reaches sockets and System V IPC through two old calls whose first argument says which call is meant:
 * socketcall(2) and ipc(2). A rule for `connect` has to hold for `socketcall(SYS_CONNECT, …)` as well. Their other
 * arguments lie in memory, where a filter cannot look.
 */
import type { SeccompArg } from '../spec/seccomp.ts';

export interface Multiplexer {
  readonly name: 'socketcall' | 'ipc';
  /** The condition on the multiplexer's arguments that selects the call. */
  readonly selector: SeccompArg;
}

/** include/uapi/linux/net.h */
const SOCKETCALLS =
  'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg';
const FIRST_SOCKETCALL = 1;

/** include/uapi/linux/ipc.h */
const IPC_CALLS: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};
/** ipc(2) carries a version in the upper half of its first argument, and ignores it for the choice of the call. */
const IPC_CALL_MASK = 0xffffn;

/** The multiplexers by the names of the calls that can be reached through them. */
export const MULTIPLEXED: ReadonlyMap<string, Multiplexer> = new Map([
  ...SOCKETCALLS.split(' ').map((name, i): [string, Multiplexer] => [name, socketcall(FIRST_SOCKETCALL + i)]),
  ...Object.entries(IPC_CALLS).map(([name, number]): [string, Multiplexer] => [name, ipc(number)]),
]);

function socketcall(number: number): Multiplexer {
  return {
    name: 'socketcall',
    selector: { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(number), valueTwo: 0n },
  };
}

function ipc(number: number): Multiplexer {
  return {
    name: 'ipc',
    selector: { index: 0, op: 'SCMP_CMP_MASKED_EQ', value: IPC_CALL_MASK, valueTwo: BigInt(number) },
  };
}
