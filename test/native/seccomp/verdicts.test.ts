/** Our compiler and libseccomp give the same verdicts; every exception is named here and in docs/decisions. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../src/security/capabilities.ts';
import { compileSeccomp } from '../../../src/security/seccomp-compile.ts';
import { defaultSeccomp } from '../../../src/security/seccomp-default.ts';
import { SYSCALL_TABLES } from '../../../src/security/syscalls.gen.ts';
import type { HostArch } from '../../../src/spec/docker-seccomp.ts';
import {
  type LinuxSeccomp,
  SECCOMP_OPERATORS,
  type SeccompArg,
  type SeccompOperator,
  type SeccompSyscall,
} from '../../../src/spec/seccomp.ts';
import { runFilter, type SeccompData } from '../../support/bpf.ts';
import { ARCH_TOKENS, answer, Libseccomp, type ReferenceArch } from './libseccomp.ts';

const KERNEL = { major: 6, minor: 1 };
const ENOSYS = 0x00050000 + 38;
const X32_BIT = 0x40000000;
const ARM_PRIVATE = 0x0f0000;
const ARCHES: Record<HostArch, readonly ReferenceArch[]> = {
  x86_64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  aarch64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};
const TABLES = {
  SCMP_ARCH_X86_64: 'x86_64',
  SCMP_ARCH_X86: 'x86',
  SCMP_ARCH_X32: 'x32',
  SCMP_ARCH_AARCH64: 'aarch64',
  SCMP_ARCH_ARM: 'arm',
} as const;

let library: Libseccomp;
beforeAll(() => {
  library = new Libseccomp();
});
afterAll(() => library[Symbol.dispose]());

describe.each(Object.keys(ARCH_TOKENS) as ReferenceArch[])('the numbers of %s', (arch) => {
  test('are those of libseccomp, for every name that both know', () => {
    const ours = readTable(arch);
    const theirs = library.resolve(arch, [...ours.keys()]);
    const compared = [...ours].map(([name, number], i) => ({ name, number, theirs: theirs[i] }));
    const known = compared.filter((entry) => entry.theirs !== undefined && entry.theirs >= 0);
    expect(known.length).toBeGreaterThan(300);
    expect(known.filter((entry) => entry.number !== entry.theirs)).toEqual([]);
  });
});

const CAPABILITY_SETS: Record<string, readonly string[]> = {
  'no capabilities': [],
  'the default capabilities': DEFAULT_CAPABILITIES,
  CAP_SYS_ADMIN: ['CAP_SYS_ADMIN'],
  'CAP_SYS_PTRACE and CAP_SYS_TIME': ['CAP_SYS_PTRACE', 'CAP_SYS_TIME'],
  'all capabilities': CAPABILITIES,
};
const FIRST_ARGUMENTS = [
  ...[0n, 1n, 2n, 3n, 7n, 8n, 9n, 17n, 20n, 37n, 38n, 39n, 40n, 41n, 0x11n, 0x20000n, 0x20008n, 0x40000n],
  ...[0x2000000n, 0x10000000n, 0x7e020000n, 0x1200011n, 0xffffffffn, 0x1_0000_0000n, 0x1_0000_0008n],
  ...[0x26_0000_0026n, 0xffff_ffff_0000_0000n, 0xffff_ffff_ffff_ffffn],
];

describe.each(Object.keys(ARCHES) as HostArch[])('the default profile on %s', (host) => {
  test.each(Object.keys(CAPABILITY_SETS))('agrees with libseccomp on every call, with %s', (set) => {
    const full = defaultSeccomp(CAPABILITY_SETS[set] ?? [], host, KERNEL);
    const section = onlyKnownNames(full, host);
    const calls = ARCHES[host].flatMap((arch) =>
      numbersOf(arch).flatMap((nr) => FIRST_ARGUMENTS.map((first) => ({ arch, nr, args: [first] }))),
    );
    expect(differences(section, host, calls)).toEqual([]);
  });
});

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

test.each(SEEDS)('a random section agrees with libseccomp (seed %i)', (seed) => {
  const random = randomNumbers(seed);
  const host: HostArch = random(2) === 0 ? 'x86_64' : 'aarch64';
  const section = randomSection(random, ARCHES[host], 'plain');
  expect(differences(section, host, randomCalls(random, section, host))).toEqual([]);
});

test.each(SEEDS)('a random section of overlapping rules means what its rules say (seed %i)', (seed) => {
  const random = randomNumbers(1000 + seed);
  const host: HostArch = random(2) === 0 ? 'x86_64' : 'aarch64';
  const section = randomSection(random, ARCHES[host], 'overlapping');
  const { program } = compileSeccomp(section, host);
  const wrong = randomCalls(random, section, host).filter((call) => {
    const expected = answerByReading(section, call);
    return expected !== undefined && runFilter(program, dataOf(call)).answer !== expected;
  });
  expect(wrong).toEqual([]);
});

/**
 * The rules of the section, read one after the other; undefined for a call that it does not name. Rules that repeat
 * the default are no exceptions to the others: libseccomp refuses them, runc and crun leave them out.
 */
function answerByReading(section: LinuxSeccomp, { arch, nr, args }: Call): number | undefined {
  const name = readNames(arch).get(nr);
  const named = section.syscalls?.filter((rule) => name !== undefined && rule.names.includes(name)) ?? [];
  if (named.length === 0) return undefined;
  const unnamed = answer(section.defaultAction, section.defaultErrnoRet);
  const rules = named.filter((rule) => answer(rule.action, rule.errnoRet) !== unnamed);
  const is32 = arch !== 'SCMP_ARCH_X86_64' && arch !== 'SCMP_ARCH_AARCH64';
  const found =
    rules.find((rule) => !rule.args?.length) ??
    rules.find((rule) =>
      rule.args?.every((condition) => holds(condition, args[condition.index] ?? 0n, is32)),
    );
  return found ? answer(found.action, found.errnoRet) : unnamed;
}

function holds(condition: SeccompArg, argument: bigint, is32: boolean): boolean {
  const [a, value, two] = [argument, condition.value, condition.valueTwo].map((number) =>
    is32 ? BigInt.asUintN(32, number) : number,
  ) as [bigint, bigint, bigint];
  const results: Record<SeccompOperator, boolean> = {
    SCMP_CMP_NE: a !== value,
    SCMP_CMP_LT: a < value,
    SCMP_CMP_LE: a <= value,
    SCMP_CMP_EQ: a === value,
    SCMP_CMP_GE: a >= value,
    SCMP_CMP_GT: a > value,
    SCMP_CMP_MASKED_EQ: (a & value) === (two & value),
  };
  return results[condition.op];
}

function randomCalls(random: Random, section: LinuxSeccomp, host: HostArch): readonly Call[] {
  const values = interestingValues(section);
  return ARCHES[host].flatMap((arch) => {
    const table = readTable(arch);
    const named = (section.syscalls ?? []).flatMap((rule) =>
      rule.names.flatMap((name) => table.get(name) ?? []),
    );
    return [...named, ...numbersOf(arch).filter((nr) => nr % 16 === 0)].flatMap((nr) =>
      Array.from({ length: 60 }, () => ({
        arch,
        nr,
        args: Array.from({ length: 6 }, () => values[random(values.length)] ?? 0n),
      })),
    );
  });
}

interface Call {
  readonly arch: ReferenceArch;
  readonly nr: number;
  readonly args: readonly bigint[];
}

/** Calls on which the two filters differ, without the differences that are meant. */
function differences(section: LinuxSeccomp, host: HostArch, calls: readonly Call[]): readonly string[] {
  const { program } = compileSeccomp(section, host);
  const reference = library.compile(section, host);
  const highest = Object.fromEntries(ARCHES[host].map((arch) => [arch, highestNumber(section, arch)]));
  return calls.flatMap((call) => {
    const ours = runFilter(program, dataOf(call)).answer;
    const theirs = runFilter(reference, dataOf(call)).answer;
    const expected = meantAnswer(section, call, highest[call.arch] ?? 0) ?? theirs;
    if (ours === expected) return [];
    const hex = (answer: number) => answer.toString(16);
    return [`${call.arch} ${call.nr} (${call.args}): ${hex(ours)} instead of ${hex(expected)}`];
  });
}

/** What the kernel hands to the filter; x32 calls come with x86_64's architecture. */
function dataOf({ arch, nr, args }: Call): SeccompData {
  return { nr, args, arch: ARCH_TOKENS[arch === 'SCMP_ARCH_X32' ? 'SCMP_ARCH_X86_64' : arch] };
}

/** Where we differ from libseccomp on purpose: docs/decisions/seccomp.md. */
function meantAnswer(section: LinuxSeccomp, call: Call, highest: number): number | undefined {
  const isPrivate = call.arch === 'SCMP_ARCH_ARM' && call.nr >= ARM_PRIVATE;
  const isNamed =
    isPrivate && [...readTable(call.arch)].some(([name, nr]) => nr === call.nr && names(section, name));
  const passes = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(section.defaultAction);
  if (call.nr > highest && !isNamed && !passes) return ENOSYS;
  // socketcall(SYS_SOCKET) hides the address family that the rule for socket looks at.
  const asksForSocket =
    call.arch === 'SCMP_ARCH_X86' && call.nr === 102 && ((call.args[0] ?? 0n) & 0xffffffffn) === 1n;
  if (asksForSocket && section.syscalls?.some((rule) => rule.args?.length && rule.names.includes('socket')))
    return answer(section.defaultAction, section.defaultErrnoRet);
  return undefined;
}

function names(section: LinuxSeccomp, name: string): boolean {
  return section.syscalls?.some((rule) => rule.names.includes(name)) ?? false;
}

/** The highest number the section names on `arch`, by libseccomp's tables, as runc computes it. */
function highestNumber(section: LinuxSeccomp, arch: ReferenceArch): number {
  const all = [...new Set(section.syscalls?.flatMap((rule) => rule.names))];
  const numbers = library.resolve(arch, all).map((number) => number ?? -1);
  return Math.max(...numbers.filter((number) => number < ARM_PRIVATE || number >= X32_BIT));
}

/** Without names that this libseccomp does not know: it would skip them. */
function onlyKnownNames(section: LinuxSeccomp, host: HostArch): LinuxSeccomp {
  const all = [...new Set(section.syscalls?.flatMap((rule) => rule.names))];
  const numbers = ARCHES[host].map((arch) => library.resolve(arch, all));
  const known = new Set(all.filter((_, i) => numbers.some((list) => list[i] !== undefined)));
  expect(known.size).toBeGreaterThan(330);
  const syscalls = section.syscalls?.map((rule) => ({
    ...rule,
    names: rule.names.filter((name) => known.has(name)),
  }));
  return { ...section, syscalls: syscalls ?? [] };
}

/** Every number from 0 to 500, the x32-only ones, and the edges. */
function numbersOf(arch: ReferenceArch): readonly number[] {
  const base = arch === 'SCMP_ARCH_X32' ? X32_BIT : 0;
  const low = Array.from({ length: 560 }, (_, number) => base + number);
  const edges = [1000, X32_BIT - 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff].filter(
    (nr) => nr >= base,
  );
  const priv = arch === 'SCMP_ARCH_ARM' ? [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ARM_PRIVATE + n) : [];
  // Without x32 in the list x86_64 numbers end where x32's begin; with it they are compared as x32's.
  return [...low, ...priv, ...edges.filter((nr) => arch !== 'SCMP_ARCH_X86_64' || nr < X32_BIT)];
}

const tables = new Map<ReferenceArch, ReadonlyMap<string, number>>();

/** Our table of an architecture, read independently of the compiler. */
function readTable(arch: ReferenceArch): ReadonlyMap<string, number> {
  const known = tables.get(arch);
  if (known) return known;
  const table = new Map<string, number>();
  let next = 0;
  for (const word of SYSCALL_TABLES[TABLES[arch]].split(' ')) {
    if (word.startsWith('@')) next = Number(word.slice(1));
    else table.set(word, (arch === 'SCMP_ARCH_X32' ? X32_BIT : 0) + next++);
  }
  tables.set(arch, table);
  return table;
}

const namesByNumber = new Map<ReferenceArch, ReadonlyMap<number, string>>();

function readNames(arch: ReferenceArch): ReadonlyMap<number, string> {
  const known =
    namesByNumber.get(arch) ?? new Map([...readTable(arch)].map(([name, number]) => [number, name]));
  namesByNumber.set(arch, known);
  return known;
}

type Random = (below: number) => number;

/** mulberry32: small, seeded, the same everywhere. */
function randomNumbers(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Without multiplexed calls, which differ on purpose when they have conditions. */
const POOL = (
  'read write openat close fstat lseek mmap mprotect munmap brk ioctl pread64 pwrite64 madvise dup nanosleep getpid ' +
  'clone execve exit wait4 kill uname fcntl flock fsync ftruncate getcwd chdir fchmod umask ptrace personality prctl ' +
  'setns unshare mount umount2 bpf seccomp memfd_create openat2 clone3 close_range keyctl add_key futex_waitv'
).split(' ');
const VALUES = [
  0n,
  1n,
  2n,
  5n,
  0x7fn,
  0x80000000n,
  0xffffffffn,
  0x1_0000_0000n,
  0x1_0000_0005n,
  0x7_ffff_ffffn,
];

/**
 * `plain`: each call has one rule, or several that look for one value of the same argument. In `overlapping` sections
 * they have several rules of any kind, for which libseccomp 2.5.4 merges its decision trees wrongly: with the rules
 * `arg0 < 1` and `arg0 <= 0x100000001` it lets an arg0 of 2 through.
 */
function randomSection(
  random: Random,
  architectures: readonly ReferenceArch[],
  kind: 'plain' | 'overlapping',
): LinuxSeccomp {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const called = POOL.filter(() => random(3) > 0);
  const syscalls = called.flatMap((name): readonly SeccompSyscall[] => {
    const withAction = (args?: readonly SeccompArg[]): SeccompSyscall => {
      const action = pick(ACTIONS);
      const errno = action === 'SCMP_ACT_ERRNO' ? { errnoRet: random(100) + 1 } : {};
      return { names: [name], action, ...errno, ...(args && { args }) };
    };
    if (kind === 'overlapping')
      return Array.from({ length: 1 + random(5) }, () => withAction(randomConditions(random, 1 + random(3))));
    if (random(3) === 0) return [withAction()];
    if (random(2) === 0) return [withAction(randomConditions(random, 1 + random(3)))];
    const first = withAction();
    return VALUES.filter(() => random(2) === 0).map((value) => ({
      ...first,
      args: [{ index: 2, op: 'SCMP_CMP_EQ', value, valueTwo: 0n }],
    }));
  });
  const defaultAction = pick([
    'SCMP_ACT_ERRNO',
    'SCMP_ACT_ALLOW',
    'SCMP_ACT_KILL',
    'SCMP_ACT_TRACE',
  ] as const);
  return { defaultAction, architectures, syscalls };
}

const ACTIONS = [
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_LOG',
  'SCMP_ACT_TRAP',
] as const;

/** Conditions on different arguments. */
function randomConditions(random: Random, count: number): readonly SeccompArg[] {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const first = random(6);
  return Array.from({ length: count }, (_, i) => ({
    index: (first + i) % 6,
    op: pick(SECCOMP_OPERATORS),
    value: pick(VALUES),
    valueTwo: pick(VALUES),
  }));
}

/** The values that conditions name, and their neighbours. */
function interestingValues(section: LinuxSeccomp): readonly bigint[] {
  const named =
    section.syscalls?.flatMap((rule) => rule.args?.flatMap((arg) => [arg.value, arg.valueTwo]) ?? []) ?? [];
  const around = [...VALUES, ...named].flatMap((value) => [value - 1n, value, value + 1n]);
  return [...new Set(around.map((value) => BigInt.asUintN(64, value)))];
}
