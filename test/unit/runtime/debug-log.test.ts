import { expect, test } from 'vitest';
import type { Op, OpGroup, Plan } from '../../../src/kernel/ops.ts';
import { hostPath } from '../../../src/lib/brands.ts';
import { type DebugLog, planWithLog } from '../../../src/runtime/debug-log.ts';

const log: DebugLog = { file: hostPath('/log'), line: (message) => [`${message} at `, '\n'] };
const group = (who: OpGroup['who'], title: string, ...ops: readonly Op[]): OpGroup => ({ who, title, ops });
const setsid: Op = { op: 'setsid', why: '' };
const pivot: Op = { op: 'pivot_root', newRoot: '.', putOld: '.', why: '' };
const tell: Op = { op: 'tell_host', why: '' };
const wait: Op = { op: 'await_start', socket: 'start-socket', why: '' };
const close: Op = { op: 'close_from', first: 3, why: '' };

function said(...groups: readonly OpGroup[]): readonly string[] {
  const plan: Plan = { groups, monitor: { interactive: false }, reporter: [] };
  const logged = planWithLog(plan, log).groups;
  expect(logged[0]?.ops[0]).toMatchObject({ op: 'open_log', path: '/log' });
  return logged.flatMap(({ ops }) =>
    ops.flatMap((op) => (op.op === 'log' ? [`${op.before}`.slice(0, -4)] : [])),
  );
}

test('every group begins with a line, up to the one in which the child tells of its completion', () => {
  expect(
    said(
      group('cleanup', 'a', setsid),
      group('host', 'b', setsid),
      group('child', 'c', setsid),
      group('child', 'd', tell, pivot),
      group('child', 'e', tell, wait),
      group('child', 'f', close),
    ),
  ).toEqual([
    'nsexec container setup',
    'host: b',
    'child process in init()',
    'child: c',
    'child: d',
    'child: e',
    'init: closing the pipe to signal completion',
  ]);
});

test('of a program that is added, up to the one that closes the log', () => {
  expect(said(group('child', 'a', setsid), group('child', 'b', close), group('child', 'c', setsid))).toEqual([
    'nsexec container setup',
    'child process in init()',
    'child: a',
    'child: b',
    'setns_init: about to exec',
  ]);
});
