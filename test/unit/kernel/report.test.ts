import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../src/kernel/ops.ts';
import {
  exitCodeOf,
  REPORT_LAYOUT,
  readReport,
  reportSize,
  STATE_ENDED,
  STATE_FAILED,
  STATE_RUNNING,
} from '../../../src/kernel/report.ts';

const plan: Plan = {
  groups: [
    { who: 'host', title: 'a', ops: [{ op: 'setsid', why: '' }] },
    { who: 'child', title: 'b', ops: [{ op: 'chdir', path: '/', why: '' }] },
  ],
  monitor: { interactive: false },
  reporter: [],
};
const L = REPORT_LAYOUT;

function report(change: (bytes: Buffer) => void) {
  const bytes = Buffer.alloc(reportSize(plan));
  change(bytes);
  return readReport(plan, bytes);
}

test('an untouched report says that nothing was reached', () => {
  const read = report(() => {});
  expect(read).toMatchObject({ failure: undefined, exitCode: undefined });
  expect(read.trace.map((t) => t.outcome)).toEqual(['not reached', 'not reached']);
});

test('a failure names the op, its errno and what it left as detail', () => {
  const { failure, exitCode } = report((b) => {
    b.writeUInt32LE(STATE_FAILED, L.state);
    b.writeUInt32LE(1, L.failedOp);
    b.writeInt32LE(20, L.errno);
    b.write('etc/passwd\0rubbish', L.detail);
  });
  expect(failure).toEqual({ index: 1, op: plan.groups[1]?.ops[0], errno: 20, detail: 'etc/passwd' });
  expect(exitCode).toBeUndefined();
});

test('a detail that fills its field is read to the end of the field and no further', () => {
  const { failure } = report((b) => {
    b.writeUInt32LE(STATE_FAILED, L.state);
    b.fill('x', L.detail);
  });
  expect(failure?.detail).toBe('x'.repeat(L.detailSize));
});

test('a container whose helper was killed has no exit status', () => {
  expect(report((b) => b.writeUInt32LE(STATE_RUNNING, L.state)).exitCode).toBeUndefined();
});

test('the trace has times in nanoseconds and results', () => {
  const { trace } = report((b) => {
    b.writeUInt32LE(STATE_ENDED, L.state);
    b.writeBigUInt64LE(5_000_000_000n, L.ops + L.opSize);
    b.writeBigUInt64LE(5_000_000_700n, L.ops + L.opSize + 8);
    b.writeInt32LE(-2, L.ops + L.opSize + 16);
    b.writeUInt32LE(2, L.ops + L.opSize + 20);
  });
  expect(trace[1]).toMatchObject({
    outcome: 'tolerated',
    result: -2,
    startNs: 5_000_000_000n,
    durationNs: 700n,
  });
});

describe('the exit status, as a shell gives it', () => {
  test.each([
    ['of a program that exits with 0', 0, 0],
    ['of a program that exits with 255', 255 << 8, 255],
    ['of a program killed by SIGKILL', 9, 137],
    ['of a program killed by SIGSEGV that left a core', 11 | 0x80, 139],
  ])('%s', (_, waitStatus, expected) => {
    expect(exitCodeOf(waitStatus)).toBe(expected);
  });
});
