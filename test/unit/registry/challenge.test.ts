import { expect, test } from 'vitest';
import { parseChallenges } from '../../../src/registry/challenge.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test.each([
  [
    'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push"',
    [['bearer', { realm: 'https://auth.example/token', service: 'r', scope: 'repository:a/b:pull,push' }]],
  ],
  [
    'Basic realm="a \\"quoted\\" word", charset=UTF-8',
    [['basic', { realm: 'a "quoted" word', charset: 'UTF-8' }]],
  ],
  [
    'Basic realm="x", Bearer realm="y"',
    [
      ['basic', { realm: 'x' }],
      ['bearer', { realm: 'y' }],
    ],
  ],
  [
    'Negotiate, Basic',
    [
      ['negotiate', {}],
      ['basic', {}],
    ],
  ],
  ['BEARER REALM = "z"', [['bearer', { realm: 'z' }]]],
  ['Bearer realm="never closed', [['bearer', { realm: '' }]]],
  ['', []],
])('%s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});

test('a long and hostile header takes no time', () => {
  const started = performance.now();
  parseChallenges(`Bearer realm="${'\\'.repeat(16_000)}`);
  parseChallenges(','.repeat(16_000));
  expect(performance.now() - started).toBeLessThan(1000);
});
