import { expect, test } from 'vitest';
import { annotatedProperties, parseGvariant } from '../../../src/cgroup/scope-properties.ts';

test.each<[string, unknown]>([
  ['true', { signature: 'b', value: true }],
  ["'inactive-or-failed'", { signature: 's', value: 'inactive-or-failed' }],
  [`"it's"`, { signature: 's', value: "it's" }],
  ["'it\\'s'", { signature: 's', value: "it's" }],
  ['5', { signature: 'i', value: 5n }],
  ['-5', { signature: 'i', value: -5n }],
  ['uint64 10000000', { signature: 't', value: 10_000_000n }],
  ['byte 255', { signature: 'y', value: 255n }],
  ["['dbus.service', 'x']", { signature: 'as', value: ['dbus.service', 'x'] }],
  ['[]', { signature: 'as', value: [] }],
])('%s is a value', (text, value) => {
  expect(parseGvariant(text)).toEqual(value);
});

test.each(['', 'x', "'a", "'a' 'b'", 'byte 256', 'uint64 -1', 'float 5', "['a' 'b']", "['a',]", '[1]'])(
  '%j is none',
  (text) => {
    expect(parseGvariant(text)).toBeUndefined();
  },
);

test('annotations become properties; seconds become microseconds', () => {
  expect(
    annotatedProperties({
      'org.systemd.property.CollectMode': "'inactive'",
      'org.systemd.property.TimeoutStopSec': 'uint64 3',
      'org.systemd.property.TimeoutStopUSec': 'uint64 3',
      'io.container.manager': 'libpod',
    }),
  ).toEqual([
    ['CollectMode', { signature: 's', value: 'inactive' }],
    ['TimeoutStopUSec', { signature: 't', value: 3_000_000n }],
    ['TimeoutStopUSec', { signature: 't', value: 3n }],
  ]);
});

test.each([
  ['org.systemd.property.X-Y', 'true'],
  ['org.systemd.property.', 'true'],
  ['org.systemd.property.KillMode', 'mixed'],
])('%s=%s is refused', (key, text) => {
  expect(() => annotatedProperties({ [key]: text })).toThrow(`Cannot use the annotation ${key}=`);
});
