import { expect, test } from 'vitest';
import { CHILD_PID, type DbusCall, describeCall, encodeCalls, splitTypes } from '../../../src/kernel/dbus.ts';

const HELLO: DbusCall = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'Hello',
  signature: '',
  body: [],
};

const bodyOf = (signature: string, ...body: DbusCall['body']) => {
  const { bytes } = encodeCalls([{ ...HELLO, signature, body }]);
  return bytes.subarray(bytes.length - bytes.readUInt32LE(4)).toString('hex');
};

test('a call without arguments, byte for byte', () => {
  const text = (value: string) =>
    `${Buffer.from([value.length]).toString('hex')}000000${Buffer.from(value).toString('hex')}00`;
  const expected = [
    '6c010001', // little-endian, a call, no flags, version 1
    '00000000', // length of the body
    '01000000', // serial
    '6d000000', // length of the fields, up to the end of the last one
    `01016f00${text('/org/freedesktop/DBus')}`,
    '0000', // each field begins on a multiple of 8
    `02017300${text('org.freedesktop.DBus')}`,
    '000000',
    `03017300${text('Hello')}`,
    '0000',
    `06017300${text('org.freedesktop.DBus')}`,
    '000000', // so does the body
  ];
  expect(encodeCalls([HELLO]).bytes.toString('hex')).toBe(expected.join(''));
});

test('serial numbers count the calls, which follow each other without a gap', () => {
  const one = encodeCalls([HELLO]).bytes;
  const { bytes } = encodeCalls([HELLO, HELLO]);
  expect(bytes.length).toBe(2 * one.length);
  expect(bytes.readUInt32LE(one.length + 8)).toBe(2);
});

test.each<[string, DbusCall['body'], string]>([
  ['b', [true], '01000000'],
  ['y', [7], '07'],
  ['yu', [1, 2], '01000000' + '02000000'],
  ['s', ['é'], '02000000' + 'c3a900'],
  ['g', ['a(sv)'], '05' + '612873762900'],
  ['ut', [1, 2n ** 64n - 1n], '01000000' + '00000000' + 'ffffffffffffffff'],
  ['x', [-1], 'ffffffffffffffff'],
  ['as', [['a', '']], '0d000000' + '01000000' + '6100' + '0000' + '00000000' + '00'],
  ['v', [{ signature: 'u', value: 5 }], '017500' + '00' + '05000000'],
  // The padding before the first element is no part of the length, and is there without elements too.
  ['a(yy)', [[]], '00000000' + '00000000'],
  [
    'a(yy)',
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
    '0a000000' + '00000000' + '0102' + '000000000000' + '0304',
  ],
])('the body of %s', (signature, body, expected) => {
  expect(bodyOf(signature, ...body)).toBe(expected);
});

test('the place of the pid is known, also behind another call', () => {
  const call: DbusCall = { ...HELLO, signature: 'sau', body: ['x', [1, CHILD_PID]] };
  const { bytes, pidAt = 0 } = encodeCalls([HELLO, call]);
  expect(pidAt).toBe(bytes.length - 4);
  expect(encodeCalls([HELLO])).not.toHaveProperty('pidAt');
  expect(() => encodeCalls([call, call])).toThrow('once');
});

test.each<[string, DbusCall['body']]>([
  ['s', [1]],
  ['s', ['a\0b']],
  ['b', [1]],
  ['t', ['1']],
  ['as', ['x']],
  ['(ss)', [['x']]],
  ['v', ['x']],
  ['ss', ['x']],
  ['z', ['x']],
])('a value that is none of %s is refused', (signature, body) => {
  expect(() => encodeCalls([{ ...HELLO, signature, body }])).toThrow();
});

test('a signature is a list of complete types', () => {
  expect(splitTypes('ssa(sv)a(sa(sv))aau')).toEqual(['s', 's', 'a(sv)', 'a(sa(sv))', 'aau']);
});

test('a call is described by what it says', () => {
  const body: DbusCall['body'] = [
    'x.scope',
    [['Delegate', { signature: 'b', value: true }]],
    [CHILD_PID],
    2n,
  ];
  expect(describeCall({ ...HELLO, member: 'Start', body })).toBe(
    'Start("x.scope", [["Delegate", true]], [child], 2)',
  );
});
