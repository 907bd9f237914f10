/** The tables of the conformance runs. */
import { expect, test } from 'vitest';
import { compare, type SuiteResults, table } from '../../../scripts/conformance/results.ts';
import type { Verdict } from '../../../scripts/conformance/suites.ts';

function results(runtime: string, verdicts: Readonly<Record<string, Verdict>>): SuiteResults {
  const known = { seconds: 1, measured: '2026-01-01T00:00:00Z', cgroupsLeft: [] };
  const tests = Object.entries(verdicts).map(([id, verdict]) => [id, { ...verdict, ...known }]);
  return { view: 'v1', suite: 'runc', runtime, tests: Object.fromEntries(tests) };
}

const FAIL = { result: 'fail', reason: 'line 3' } as const;
const RUNC = results('runc', {
  a: { result: 'pass' },
  b: { result: 'pass' },
  c: { result: 'fail', reason: 'timeout' },
});
const CRUN = results('crun', { a: FAIL, b: { result: 'pass' }, c: { result: 'skip', reason: 'no criu' } });
const OURS = results('tsrun-oci', { a: FAIL, b: FAIL, c: FAIL });

test('the table has a row for each test and the sums', () => {
  expect(table(['a', 'b', 'c', 'd'], [RUNC, CRUN]).split('\n')).toEqual([
    "runc      crun       runc's suite, v1 view",
    'pass      FAIL       a',
    'pass      pass       b',
    'timeout   skip       c',
    '-         -          d',
    '',
    '2         1          pass',
    '1         1          fail',
    '0         1          skip',
  ]);
});

test('the comparison names what a peer passes, first what all peers pass', () => {
  expect(compare([RUNC, CRUN], OURS)).toEqual([
    'b\n    fail: line 3\n    passed by runc and crun',
    'a\n    fail: line 3\n    passed by runc',
  ]);
});
