/** What the output of a test means, in the words of bats, of crun's suite and of the OCI runtime-tools. */
import { expect, test } from 'vitest';
import { readTap } from '../../../scripts/conformance/tap.ts';

const BATS_FAILURE = [
  '1..1',
  'not ok 1 mask paths [file]',
  '# (in test file mask.bats, line 64)',
  '#   `[ "$status" -eq 0 ]\' failed',
  '# runc run test (status=1):',
];

test.each([
  ['a passed test', '1..1\r\nok 1 runc create\r\n', { result: 'pass' }],
  [
    'a skipped test of bats',
    '1..1\nok 1 x # skip test requires criu\n',
    { result: 'skip', reason: 'test requires criu' },
  ],
  ["a skipped test of crun's", '1..1\nok 1 - x #SKIP\n', { result: 'skip', reason: '' }],
  [
    'a failed test of bats',
    BATS_FAILURE.join('\n'),
    { result: 'fail', reason: '`[ "$status" -eq 0 ]\' failed line 64' },
  ],
  [
    "a failed test of crun's",
    '1..1\nno such file\nnot ok 1 - x\n',
    { result: 'fail', reason: 'no such file' },
  ],
  ['one failure among many', '1..2\nok 1 - x\nnot ok 2 - y\n', { result: 'fail', reason: 'not ok 2 - y' }],
  ['some skipped, some passed', 'ok 1 # SKIP x\nok 2\n1..2\n', { result: 'pass' }],
  ['an empty plan', 'TAP version 13\n1..0\n', { result: 'skip', reason: 'an empty plan' }],
  ['an empty plan with an error', '1..0\n# cannot start\n', { result: 'fail', reason: '# cannot start' }],
  ['nothing at all', '', { result: 'fail', reason: 'no result' }],
])('%s', (_what, output, verdict) => {
  expect(readTap(output)).toEqual(verdict);
});
