import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  CAPABILITIES,
  capabilityMask,
  capabilityNames,
  changeCapabilities,
  DEFAULT_CAPABILITIES,
  HARDENED_CAPABILITIES,
  parseCapability,
  unknownCapabilities,
} from '../../../src/security/capabilities.ts';

test('every capability has the bit that the kernel header gives it', () => {
  const header = readFileSync('/usr/include/linux/capability.h', 'utf8');
  const defined = [...header.matchAll(/^#define (CAP_\w+)\s+(\d+)$/gm)].map(([, name, bit]) => [
    name,
    Number(bit),
  ]);
  expect(CAPABILITIES.map((name, bit) => [name, bit])).toEqual(defined);
});

test("the default set is Docker's fourteen, as the mask Docker's containers show", () => {
  expect(DEFAULT_CAPABILITIES).toHaveLength(14);
  expect(capabilityMask(DEFAULT_CAPABILITIES)).toBe(0xa80425fbn);
});

test('the hardened set has no device nodes, raw sockets or audit log', () => {
  const dropped = DEFAULT_CAPABILITIES.filter((name) => !HARDENED_CAPABILITIES.includes(name));
  expect(dropped).toEqual(['CAP_NET_RAW', 'CAP_MKNOD', 'CAP_AUDIT_WRITE']);
});

test.each(['NET_ADMIN', 'net_admin', 'CAP_NET_ADMIN', ' cap_Net_Admin '])(
  '"%s" is CAP_NET_ADMIN',
  (typed) => {
    expect(parseCapability(typed)).toBe('CAP_NET_ADMIN');
  },
);

test('an unknown capability is an error that names it and the nearest one', () => {
  expect(() => parseCapability('NET_ADMN')).toThrow(
    expect.objectContaining({
      code: 'CAPABILITY_UNKNOWN',
      message: expect.stringContaining('"NET_ADMN"'),
      hint: expect.stringContaining('CAP_NET_ADMIN'),
    }),
  );
});

test.each([
  { add: [], drop: [], without: [], with: [] },
  { add: ['SYS_PTRACE'], drop: [], without: [], with: ['CAP_SYS_PTRACE'] },
  { add: [], drop: ['chown', 'CAP_KILL'], without: ['CAP_CHOWN', 'CAP_KILL'], with: [] },
  { add: ['CHOWN'], drop: ['CHOWN'], without: [], with: [] },
] as const)('add $add and drop $drop change the default set', ({ add, drop, without, with: added }) => {
  const expected = [
    ...DEFAULT_CAPABILITIES.filter((name) => !(without as readonly string[]).includes(name)),
    ...added,
  ];
  expect(new Set(changeCapabilities(DEFAULT_CAPABILITIES, { add, drop }))).toEqual(new Set(expected));
});

test('dropping ALL leaves what is added', () => {
  const changed = changeCapabilities(DEFAULT_CAPABILITIES, { add: ['NET_ADMIN', 'CHOWN'], drop: ['all'] });
  expect(changed).toEqual(['CAP_CHOWN', 'CAP_NET_ADMIN']);
});

test('adding ALL gives everything but what is dropped', () => {
  const changed = changeCapabilities([], { add: ['ALL'], drop: ['SYS_ADMIN'] });
  expect(changed).toEqual(CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN'));
});

test('a mask and its names stand for the same set, and bits without a name are left out', () => {
  expect(capabilityNames((1n << 63n) | 0b101n)).toEqual(['CAP_CHOWN', 'CAP_DAC_READ_SEARCH']);
  expect(capabilityMask(capabilityNames(0x1ff_ffff_ffffn))).toBe(0x1ff_ffff_ffffn);
});

test('a name from a newer kernel adds nothing to a mask and is reported', () => {
  expect(capabilityMask(['CAP_CHOWN', 'CAP_FUTURE'])).toBe(1n);
  expect(unknownCapabilities(['CAP_CHOWN', 'CAP_FUTURE'])).toEqual(['CAP_FUTURE']);
});
