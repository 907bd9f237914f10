import { expect, test } from 'vitest';
import { parseUlimit, rlimitNumber } from '../../../src/security/rlimits.ts';

test.each([
  ['RLIMIT_CPU', 0],
  ['RLIMIT_NPROC', 6],
  ['RLIMIT_NOFILE', 7],
  ['RLIMIT_RTTIME', 15],
])('%s has the number %i', (name, number) => {
  expect(rlimitNumber(name)).toBe(number);
});

test.each(['RLIMIT_FILES', 'nofile', 'constructor'])('"%s" is no limit', (name) => {
  expect(() => rlimitNumber(name)).toThrow(expect.objectContaining({ code: 'RLIMIT_UNKNOWN' }));
});

test.each([
  ['nofile=1024:20000', { type: 'RLIMIT_NOFILE', soft: 1024, hard: 20000 }],
  ['nproc=64', { type: 'RLIMIT_NPROC', soft: 64, hard: 64 }],
  ['core=0:-1', { type: 'RLIMIT_CORE', soft: 0, hard: -1 }],
  ['memlock=-1', { type: 'RLIMIT_MEMLOCK', soft: -1, hard: -1 }],
])('--ulimit %s', (text, limit) => {
  expect(parseUlimit(text)).toEqual(limit);
});

test.each([
  ['nofile', 'no limit'],
  ['files=1', 'no limit'],
  ['NOFILE=1', 'no limit'],
  ['nofile=', 'not a limit'],
  ['nofile=1:2:3', 'more than two'],
  ['nofile=2:1', 'above the hard limit'],
  ['nofile=-1:1', 'above the hard limit'],
  ['nofile=-2', 'not a limit'],
  ['nofile=1e3', 'not a limit'],
  ['nofile=0x10', 'not a limit'],
  ['nofile=99999999999999999999', 'not a limit'],
])('--ulimit %s is refused: %s', (text, reason) => {
  expect(() => parseUlimit(text)).toThrow(
    expect.objectContaining({ code: 'ULIMIT_INVALID', message: expect.stringContaining(reason) }),
  );
});
