/** The programs are run by a small interpreter of the instructions they use, against the rule: the last word decides. */
import { expect, test } from 'vitest';
import { compileDeviceRules } from '../../../src/cgroup/device-program.ts';
import { deviceRules } from '../../../src/cgroup/device-rules.ts';
import type { DeviceRule } from '../../../src/spec/runtime.ts';
import { random as seeded } from '../../support/random.ts';

interface Access {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly kinds: string;
}

/** As struct bpf_cgroup_dev_ctx, and the instructions of eBPF on 32-bit halves. */
function runProgram(program: Buffer, { type, major, minor, kinds }: Access): boolean {
  const bits = [...kinds].reduce((sum, kind) => sum | { m: 1, r: 2, w: 4 }[kind as 'm'], 0);
  const context = [(bits << 16) | { b: 1, c: 2 }[type], major, minor];
  const registers = new Uint32Array(11);
  for (let at = 0; ; at++) {
    const i = at * 8;
    if (i >= program.length) throw new Error('ran past the end');
    const [to, from] = [program.readUInt8(i + 1) & 15, program.readUInt8(i + 1) >> 4];
    const [offset, value] = [program.readInt16LE(i + 2), program.readInt32LE(i + 4) >>> 0];
    const own = registers[to] ?? 0;
    const set = (result: number) => {
      registers[to] = result;
    };
    const code = program.readUInt8(i);
    if (code === 0x61) set(context[offset / 4] ?? 0);
    else if (code === 0xb4) set(value);
    else if (code === 0xbc) set(registers[from] ?? 0);
    else if (code === 0x54) set(own & value);
    else if (code === 0x74) set(own >>> value);
    else if (code === 0x16) at += own === value ? offset : 0;
    else if (code === 0x56) at += own !== value ? offset : 0;
    else if (code === 0x46) at += (own & value) !== 0 ? offset : 0;
    else if (code === 0x95) return registers[0] === 1;
    else throw new Error(`instruction 0x${code.toString(16)}`);
  }
}

/** Each kind of access by itself: the last rule that speaks of it. */
function decide(rules: readonly DeviceRule[], { type, major, minor, kinds }: Access): boolean {
  const fits = (asked: number | undefined, own: number) => asked === undefined || asked < 0 || asked === own;
  return [...kinds].every(
    (kind) =>
      rules.findLast(
        (rule) =>
          (rule.type === undefined || rule.type === 'a' || rule.type === type) &&
          fits(rule.major, major) &&
          fits(rule.minor, minor) &&
          (rule.access ?? 'rwm').includes(kind),
      )?.allow ?? false,
  );
}

const ask = (asked: readonly DeviceRule[], access: Access) =>
  runProgram(compileDeviceRules(deviceRules(asked)), access);
const read = (major: number, minor: number, type: 'b' | 'c' = 'c'): Access => ({
  type,
  major,
  minor,
  kinds: 'r',
});

test('what nobody asked for: the harmless devices, and nodes for all', () => {
  for (const minor of [3, 5, 7, 8, 9]) expect(ask([], { ...read(1, minor), kinds: 'rw' })).toBe(true);
  for (const minor of [1, 2, 4, 11]) expect(ask([], read(1, minor))).toBe(false);
  expect(ask([], read(136, 42))).toBe(true);
  expect(ask([], read(10, 229))).toBe(false);
  expect(ask([], read(1, 3, 'b'))).toBe(false);
  expect(ask([], { type: 'b', major: 8, minor: 0, kinds: 'm' })).toBe(true);
  expect(ask([], { type: 'b', major: 8, minor: 0, kinds: 'rm' })).toBe(false);
});

test('a rule allows its kinds of access, and several add up', () => {
  const fuse = { allow: true, type: 'c', major: 10, minor: 229 } as const;
  expect(ask([{ ...fuse, access: 'r' }], { ...read(10, 229), kinds: 'rw' })).toBe(false);
  expect(
    ask(
      [
        { ...fuse, access: 'r' },
        { ...fuse, access: 'w' },
      ],
      { ...read(10, 229), kinds: 'rw' },
    ),
  ).toBe(true);
});

test('a later rule takes back what an earlier one gave', () => {
  const rules: DeviceRule[] = [
    { allow: true, type: 'b', major: 8 },
    { allow: false, type: 'b', major: 8, minor: 1, access: 'w' },
  ];
  expect(ask(rules, { ...read(8, 1, 'b'), kinds: 'rw' })).toBe(false);
  expect(ask(rules, read(8, 1, 'b'))).toBe(true);
  expect(ask(rules, { ...read(8, 2, 'b'), kinds: 'rw' })).toBe(true);
});

test('rules in any order, compared with what they say', () => {
  const { int: random, pick } = seeded(20_260);
  const KINDS = ['r', 'w', 'm', 'rw', 'rm', 'rwm'];
  for (let round = 0; round < 300; round++) {
    const asked = Array.from(
      { length: random(8) },
      (): DeviceRule => ({
        allow: pick([true, false]),
        type: pick(['a', 'b', 'c']),
        major: pick([-1, 0, 1, 4294967295]),
        minor: pick([-1, 0, 3]),
        access: pick(KINDS),
      }),
    );
    const program = compileDeviceRules(deviceRules(asked));
    for (const type of ['b', 'c'] as const)
      for (const major of [0, 1, 4294967295])
        for (const minor of [0, 3])
          for (const kinds of KINDS) {
            const access = { type, major, minor, kinds };
            const rules = deviceRules(asked);
            const expected = rules.length === 0 || decide(rules, access);
            if (rules.length > 0)
              expect(runProgram(program, access), JSON.stringify({ asked, access })).toBe(expected);
          }
  }
});

test.each<DeviceRule>([
  { allow: true, type: 'x' as 'a' },
  { allow: true, access: 'x' },
  { allow: true, major: -2 },
  { allow: true, minor: 1.5 },
])('%j is no rule', (rule) => {
  expect(() => deviceRules([rule])).toThrow('Cannot use the device rule');
});
