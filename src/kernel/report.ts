/**
 * What the executor writes while it runs a plan, in memory that the host process and the child share: which op
 * failed and with what errno, how the container ended, and for each op when it ran and what it returned.
 * No message has to travel for that, so it cannot be lost.
 */
import type { Op, OpGroup, Plan } from './ops.ts';
import { flattenPlan } from './ops.ts';

/** Byte offsets of the shared report; native/plan-ops.gen.h has the same numbers. */
export const REPORT_LAYOUT = {
  /** u32: 0 preparing, 1 the program runs, 2 it ended, 3 an op failed. */
  state: 0,
  failedOp: 4,
  errno: 8,
  /** i32: wait status as in wait(2). */
  waitStatus: 12,
  pid: 16,
  /** u32: the op the child is at; only an exec that succeeded leaves it at execve without a failure. */
  childAt: 20,
  /** Text the failing op left, NUL-terminated: the path component, the PATH directory … */
  detail: 24,
  detailSize: 232,
  ops: 256,
  /** Per op: u64 start and u64 end in ns (CLOCK_MONOTONIC), i32 result or -errno, u32 state (1 done, 2 tolerated, 3 skipped, 4 failed). */
  opSize: 24,
} as const;

/** Loading node:os for it would cost every start. */
const ECHILD = 10;

export const STATE_RUNNING = 1;
export const STATE_ENDED = 2;
export const STATE_FAILED = 3;

export type OpOutcome = 'not reached' | 'done' | 'tolerated' | 'skipped' | 'failed';
const OUTCOMES: readonly OpOutcome[] = ['not reached', 'done', 'tolerated', 'skipped', 'failed'];

export interface TraceEntry {
  readonly index: number;
  readonly op: Op;
  readonly group: OpGroup;
  readonly outcome: OpOutcome;
  /** Monotonic clock, nanoseconds. */
  readonly startNs: bigint;
  readonly durationNs: bigint;
  readonly result: number;
}

export interface Failure {
  readonly index: number;
  readonly op: Op;
  /** Positive errno number. */
  readonly errno: number;
  readonly detail: string;
}

export interface Report {
  readonly failure: Failure | undefined;
  /** Exit status as a shell gives it: the program's own, or 128 + signal. Undefined when it never ran. */
  readonly exitCode: number | undefined;
  readonly trace: readonly TraceEntry[];
}

export function reportSize(plan: Plan): number {
  return REPORT_LAYOUT.ops + flattenPlan(plan).length * REPORT_LAYOUT.opSize;
}

export function readReport(plan: Plan, bytes: Buffer): Report {
  const L = REPORT_LAYOUT;
  const entries = flattenPlan(plan);
  const state = bytes.readUInt32LE(L.state);
  const failed = state === STATE_FAILED ? entries[bytes.readUInt32LE(L.failedOp)] : undefined;
  return {
    failure: failed && {
      index: bytes.readUInt32LE(L.failedOp),
      op: failed.op,
      errno: bytes.readInt32LE(L.errno),
      detail: textAt(bytes, L.detail, L.detailSize),
    },
    exitCode: state === STATE_ENDED ? exitCodeOf(bytes.readInt32LE(L.waitStatus)) : undefined,
    trace: entries.map(({ op, group }, index) => {
      const base = L.ops + index * L.opSize;
      const startNs = bytes.readBigUInt64LE(base);
      return {
        index,
        op,
        group,
        outcome: OUTCOMES[bytes.readUInt32LE(base + 20)] ?? 'not reached',
        startNs,
        durationNs: bytes.readBigUInt64LE(base + 8) - startNs,
        result: bytes.readInt32LE(base + 16),
      };
    }),
  };
}

/**
 * Of a child that is gone, or has become its program: why it has not. Undefined when it has. A child that is killed in the middle
 * of an op reports no failure.
 */
export function readChildFailure(plan: Plan, bytes: Buffer): Failure | undefined {
  const { failure } = readReport(plan, bytes);
  const index = bytes.readUInt32LE(REPORT_LAYOUT.childAt);
  const last = flattenPlan(plan)[index]?.op;
  if (failure !== undefined || last === undefined || last.op === 'execve') return failure;
  return { index, op: last, errno: ECHILD, detail: 'the process was killed' };
}

/** wait(2) status → exit status: WEXITSTATUS, or 128 + WTERMSIG. */
export function exitCodeOf(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

function textAt(bytes: Buffer, start: number, size: number): string {
  const field = bytes.subarray(start, start + size);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? size : end).toString();
}
