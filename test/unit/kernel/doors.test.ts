import { describe, expect, test } from 'vitest';
import { fakeDoor } from '../../../src/kernel/fake-door.ts';
import type { Plan } from '../../../src/kernel/ops.ts';
import type { TraceEntry } from '../../../src/kernel/report.ts';
import { tracingDoor } from '../../../src/kernel/tracing-door.ts';
import { launch } from '../../../src/runtime/launch.ts';

const plan: Plan = {
  groups: [
    { who: 'host', title: 'a', ops: [{ op: 'setsid', why: '' }] },
    {
      who: 'child',
      title: 'b',
      ops: [
        { op: 'chdir', path: '/nowhere', why: '' },
        { op: 'execve', args: ['true'], env: [], why: '' },
      ],
    },
  ],
  monitor: { interactive: false },
  reporter: [],
};

describe('a launch', () => {
  test('gives the container exit status, and its plan to the door', () => {
    const door = fakeDoor({ exitCode: 42 });
    expect(launch(plan, door)).toBe(42);
    expect(door.plans).toEqual([plan]);
  });

  test('throws what went wrong with the op that failed', () => {
    const door = fakeDoor({ fails: 'execve', errno: 2, detail: 'true' });
    expect(() => launch(plan, door)).toThrow(
      expect.objectContaining({
        code: 'START_FAILED',
        exitCode: 127,
        message: expect.stringContaining('"true"'),
      }),
    );
  });

  test('is 125 when the helper was killed and nobody knows how the container ended', () => {
    const report = { failure: undefined, exitCode: undefined, trace: [] };
    expect(launch(plan, { run: () => ({ exitCode: 137, report }) })).toBe(125);
  });
});

describe('a tracing door', () => {
  test('hands on each op that was reached, in order, and the outcome untouched', () => {
    const seen: TraceEntry[] = [];
    const inner = fakeDoor({ fails: 'chdir', errno: 20 });
    const launched = tracingDoor(inner, (entry) => seen.push(entry)).run(plan);
    expect(seen.map(({ op, outcome }) => `${op.op} ${outcome}`)).toEqual(['setsid done', 'chdir failed']);
    expect(launched.report.failure).toMatchObject({ index: 1, errno: 20 });
    expect(inner.plans).toEqual([plan]);
  });
});

test('a fake door refuses a script that names an op the plan does not have', () => {
  expect(() => fakeDoor({ fails: 'mount', errno: 1 }).run(plan)).toThrow('the plan has no op mount');
});
