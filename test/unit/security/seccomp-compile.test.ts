/** Programs of the compiler, run by an interpreter of our own; test/native compares them with libseccomp's. */
import { describe, expect, test } from 'vitest';
import { BpfAssembler, JUMP_IF_AT_LEAST } from '../../../src/security/bpf-assembler.ts';
import { type SearchTarget, writeSearch } from '../../../src/security/bpf-search.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../src/security/capabilities.ts';
import { compileSeccomp } from '../../../src/security/seccomp-compile.ts';
import { defaultSeccomp } from '../../../src/security/seccomp-default.ts';
import type { LinuxSeccomp, SeccompArg, SeccompFlag } from '../../../src/spec/seccomp.ts';
import { runFilter } from '../../support/bpf.ts';

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const AARCH64 = 0xc00000b7;
const KERNEL = { major: 6, minor: 1 };
const ALLOW = 0x7fff0000;
const KILL_THREAD = 0;
const EPERM = 0x00050001;
const ENOSYS = 0x00050000 + 38;

describe('the default profile', () => {
  const section = defaultSeccomp(DEFAULT_CAPABILITIES, 'x86_64', KERNEL);
  const { program, flags } = compileSeccomp(section, 'x86_64');
  const verdict = (nr: number, ...args: bigint[]) => runFilter(program, { nr, arch: X86_64, args }).answer;
  const verdict32 = (nr: number, ...args: bigint[]) => runFilter(program, { nr, arch: I386, args }).answer;

  test.each([
    ['mount', 165],
    ['unshare', 272],
    ['setns', 308],
    ['keyctl', 250],
    ['bpf', 321],
    ['io_uring_setup', 425],
    ['io_uring_enter', 426],
    ['open_by_handle_at', 304],
  ])('%s is refused with EPERM', (_name, nr) => {
    expect(verdict(nr)).toBe(EPERM);
  });

  test('sockets work but for the kernel crypto and the host of a VM', () => {
    const families = [1n, 2n, 10n, 16n, 37n, 38n, 39n, 40n, 41n, 45n];
    const refused = families.filter((family) => verdict(41, family) !== ALLOW);
    expect(refused).toEqual([38n, 40n]);
    expect(families.filter((family) => verdict32(359, family) !== ALLOW)).toEqual([38n, 40n]);
  });

  test('32-bit programs cannot open a socket through socketcall, and can do the rest through it', () => {
    expect(verdict32(102, 1n)).toBe(EPERM);
    expect(verdict32(102, 3n)).toBe(ALLOW);
    expect(verdict32(102, 20n)).toBe(ALLOW);
    expect(verdict32(102, 21n)).toBe(EPERM);
  });

  test('clone may not make namespaces, and clone3 does not exist', () => {
    expect(verdict(56, 0x1200011n)).toBe(ALLOW);
    for (const bit of [0x20000n, 0x2000000n, 0x4000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      expect(verdict(56, 17n | bit)).toBe(EPERM);
    expect(verdict(435)).toBe(ENOSYS);
  });

  test('address space layout cannot be made predictable', () => {
    expect(verdict(135, 0x40000n)).toBe(EPERM);
    expect([0n, 8n, 0x20000n, 0x20008n, 0xffffffffn].map((persona) => verdict(135, persona))).toEqual(
      Array(5).fill(ALLOW),
    );
  });

  test('ptrace and the newer calls that programs use work', () => {
    const newer = [
      101, 303, 329, 330, 331, 335, 451, 452, 453, 454, 455, 456, 457, 458, 462, 463, 464, 465, 466,
    ];
    expect(newer.filter((nr) => verdict(nr) !== ALLOW)).toEqual([]);
  });

  test('calls that came after the profile do not exist', () => {
    expect([467, 470, 500, 1000, 0x3fffffff].map((nr) => verdict(nr))).toEqual(Array(5).fill(ENOSYS));
    expect(verdict32(1000)).toBe(ENOSYS);
  });

  test('the calls of another processor kill the thread', () => {
    expect(runFilter(program, { nr: 0, arch: AARCH64 }).answer).toBe(KILL_THREAD);
  });

  test('capabilities open what they are for', () => {
    const all = compileSeccomp(defaultSeccomp(CAPABILITIES, 'x86_64', KERNEL), 'x86_64').program;
    for (const nr of [165, 272, 308, 321, 435, 304])
      expect(runFilter(all, { nr, arch: X86_64 }).answer).toBe(ALLOW);
    expect(runFilter(all, { nr: 425, arch: X86_64 }).answer).toBe(EPERM);
  });

  test('a call takes at most 20 instructions of a program of at most 340', () => {
    const numbers = Array.from({ length: 500 }, (_, nr) => nr);
    const executed = numbers.map((nr) => runFilter(program, { nr, arch: X86_64, args: [8n] }).executed);
    expect(Math.max(...executed)).toBeLessThanOrEqual(20);
    expect(program.length / 8).toBeLessThanOrEqual(340);
    expect(flags).toBe(0);
  });
});

const arg = (op: SeccompArg['op'], value: bigint, valueTwo = 0n, index = 0): SeccompArg => ({
  index,
  op,
  value,
  valueTwo,
});
const ruleFor = (...args: SeccompArg[]) => ({ names: ['read'], action: 'SCMP_ACT_TRAP' as const, args });
const TRAP = 0x00030000;

function verdictOfRead(section: Partial<LinuxSeccomp>, args: readonly bigint[], arch = X86_64): number {
  const full: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ALLOW', ...section };
  return runFilter(compileSeccomp(full, 'x86_64').program, { nr: arch === I386 ? 3 : 0, arch, args }).answer;
}

const BIG = 0x1_0000_0005n;
test.each([
  ['SCMP_CMP_EQ', [BIG], [5n, BIG - 1n, BIG + 1n, 0x2_0000_0005n]],
  ['SCMP_CMP_NE', [5n, BIG + 1n], [BIG]],
  ['SCMP_CMP_LT', [0n, 0xffff_ffffn, BIG - 1n], [BIG, BIG + 1n, 0x2_0000_0000n]],
  ['SCMP_CMP_LE', [0n, BIG], [BIG + 1n, 0x2_0000_0000n]],
  ['SCMP_CMP_GT', [BIG + 1n, 0x2_0000_0000n], [0n, 6n, BIG]],
  ['SCMP_CMP_GE', [BIG, 0x2_0000_0000n], [0n, 6n, BIG - 1n]],
] as const)('%s compares 64 unsigned bits', (op, matching, others) => {
  const section = { syscalls: [ruleFor(arg(op, BIG))] };
  for (const value of matching) expect(verdictOfRead(section, [value])).toBe(TRAP);
  for (const value of others) expect(verdictOfRead(section, [value])).toBe(ALLOW);
});

test('a mask compares the bits it has, in both words', () => {
  const section = { syscalls: [ruleFor(arg('SCMP_CMP_MASKED_EQ', 0xf_0000_00f0n, 0x1_0000_0020n))] };
  expect(verdictOfRead(section, [0xff01_0000_ff2fn])).toBe(TRAP);
  expect(verdictOfRead(section, [0x1_0000_0030n])).toBe(ALLOW);
  expect(verdictOfRead(section, [0x20n])).toBe(ALLOW);
});

test('of a 32-bit call the low words count', () => {
  const section = { architectures: ['SCMP_ARCH_X86' as const], syscalls: [ruleFor(arg('SCMP_CMP_EQ', BIG))] };
  expect(verdictOfRead(section, [5n], I386)).toBe(TRAP);
});

test('all conditions of a rule must hold, and any rule is enough', () => {
  const both = ruleFor(arg('SCMP_CMP_EQ', 1n), arg('SCMP_CMP_GT', 2n, 0n, 5));
  const other = ruleFor(arg('SCMP_CMP_EQ', 9n));
  const verdict = (...args: bigint[]) => verdictOfRead({ syscalls: [both, other] }, args);
  expect([verdict(1n, 0n, 0n, 0n, 0n, 3n), verdict(9n)]).toEqual([TRAP, TRAP]);
  expect([verdict(1n, 0n, 0n, 0n, 0n, 2n), verdict(2n, 0n, 0n, 0n, 0n, 3n)]).toEqual([ALLOW, ALLOW]);
});

test('two conditions on one argument are two rules, as runc and crun have it', () => {
  const section = { syscalls: [ruleFor(arg('SCMP_CMP_LT', 2n), arg('SCMP_CMP_GT', 7n))] };
  expect([1n, 5n, 8n].map((value) => verdictOfRead(section, [value]))).toEqual([TRAP, ALLOW, TRAP]);
});

test('a rule without conditions decides, wherever it stands, and the first of several', () => {
  const always = { names: ['read'], action: 'SCMP_ACT_ERRNO' as const, errnoRet: 7 };
  const later = { names: ['read'], action: 'SCMP_ACT_KILL' as const };
  const section = { syscalls: [ruleFor(arg('SCMP_CMP_EQ', 1n)), always, later] };
  expect(verdictOfRead(section, [1n])).toBe(0x00050007);
});

test.each([
  ['SCMP_ACT_KILL', 0],
  ['SCMP_ACT_KILL_THREAD', 0],
  ['SCMP_ACT_KILL_PROCESS', 0x80000000],
  ['SCMP_ACT_TRAP', 0x30000],
  ['SCMP_ACT_ERRNO', 0x50001],
  ['SCMP_ACT_NOTIFY', 0x7fc00000],
  ['SCMP_ACT_TRACE', 0x7ff00001],
  ['SCMP_ACT_LOG', 0x7ffc0000],
] as const)('%s is the answer 0x%o', (action, answer) => {
  expect(verdictOfRead({ syscalls: [{ names: ['read'], action }] }, [])).toBe(answer);
});

test('a name that does not exist is skipped', () => {
  expect(
    verdictOfRead({ syscalls: [{ names: ['no_such_call', 'read'], action: 'SCMP_ACT_TRAP' }] }, []),
  ).toBe(TRAP);
});

test('without x32 in the list its calls kill, but a call that a tracer skips is no x32 call', () => {
  const { program } = compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }, 'x86_64');
  const verdict = (nr: number) => runFilter(program, { nr, arch: X86_64 }).answer;
  expect([0x3fffffff, 0x40000000, 0xfffffffe, 0xffffffff].map(verdict)).toEqual([ALLOW, 0, 0, ALLOW]);
});

test.each([
  ['SCMP_ACT_KILL', ENOSYS],
  ['SCMP_ACT_ERRNO', ENOSYS],
  ['SCMP_ACT_TRAP', ENOSYS],
  ['SCMP_ACT_LOG', 0x7ffc0000],
  ['SCMP_ACT_TRACE', 0x7ff00001],
  ['SCMP_ACT_ALLOW', ALLOW],
] as const)('with the default %s a call after the last named one gets %i', (defaultAction, answer) => {
  const section: LinuxSeccomp = {
    defaultAction,
    syscalls: [{ names: ['read', 'openat'], action: 'SCMP_ACT_ALLOW' }],
  };
  expect(runFilter(compileSeccomp(section, 'x86_64').program, { nr: 258, arch: X86_64 }).answer).toBe(answer);
});

test('a ban with conditions bans the whole multiplexed call, which hides its arguments', () => {
  const ban = { names: ['socket'], action: 'SCMP_ACT_TRAP' as const, args: [arg('SCMP_CMP_EQ', 40n)] };
  const section: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86'],
    syscalls: [ban, { names: ['semop'], action: 'SCMP_ACT_KILL' }],
  };
  const { program } = compileSeccomp(section, 'x86_64');
  const verdict = (nr: number, first: bigint) => runFilter(program, { nr, arch: I386, args: [first] }).answer;
  expect([verdict(102, 1n), verdict(102, 2n)]).toEqual([TRAP, ALLOW]);
  expect([verdict(117, 1n), verdict(117, 0x10001n), verdict(117, 2n)]).toEqual([0, 0, ALLOW]);
});

const flag = (name: string) => `SECCOMP_FILTER_FLAG_${name}` as SeccompFlag;
test.each([
  [[], 'SCMP_ACT_ALLOW', 0],
  [['LOG', 'SPEC_ALLOW', 'TSYNC'], 'SCMP_ACT_ALLOW', 0b111],
  [['WAIT_KILLABLE_RECV'], 'SCMP_ACT_ALLOW', 0],
  [['WAIT_KILLABLE_RECV'], 'SCMP_ACT_NOTIFY', 0b101000],
  [['TSYNC'], 'SCMP_ACT_NOTIFY', 0b011001],
] as const)('the flags %j with %s are %i', (names, action, bits) => {
  const section: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    flags: names.map(flag),
    syscalls: [{ names: ['read'], action }],
  };
  expect(compileSeccomp(section, 'x86_64').flags).toBe(bits);
});

test('a search over far more targets than a jump can reach finds each of them', () => {
  const asm = new BpfAssembler();
  const targets = Array.from(
    { length: 1200 },
    (_, i): SearchTarget => ({ first: i * 3, label: asm.answer(i) }),
  );
  asm.load(0, writeSearch(asm, targets));
  const program = asm.assemble();
  for (let nr = 0; nr < 3600; nr += 7)
    expect(runFilter(program, { nr, arch: 0 }).answer).toBe(Math.floor(nr / 3));
});

test('a program that the kernel would refuse for its length is refused here', () => {
  const asm = new BpfAssembler();
  for (let value = 0; value < 4097; value++) asm.answer(value);
  expect(() => asm.assemble()).toThrow(expect.objectContaining({ code: 'SECCOMP_TOO_LARGE' }));
});

test('a branch with one way out writes nothing', () => {
  const asm = new BpfAssembler();
  const label = asm.answer(1);
  expect(asm.branch(JUMP_IF_AT_LEAST, 5, label, label)).toBe(label);
  expect(asm.assemble()).toHaveLength(8);
});
