import { expect, test } from 'vitest';
import {
  kernelVersionOf,
  parseDockerSeccomp,
  resolveDockerSeccomp,
} from '../../../src/spec/docker-seccomp.ts';
import { parseExactJson, stringifyExactJson } from '../../../src/spec/exact-json.ts';
import { parseLinuxSeccomp } from '../../../src/spec/seccomp.ts';

const RULE = { names: ['clone'], action: 'SCMP_ACT_ALLOW' };
const HOST = { arch: 'x86_64', kernel: { major: 6, minor: 1 }, capabilities: ['CAP_CHOWN'] } as const;

test('a section is read with every field, exactly', () => {
  const text = `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64"],
    "flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/run/a","listenerMetadata":"m","unknown":1,
    "syscalls":[{"names":["a","b"],"action":"SCMP_ACT_ERRNO","errnoRet":1,
      "args":[{"index":5,"value":18446744073709551615,"valueTwo":9007199254740993,"op":"SCMP_CMP_MASKED_EQ"}]}]}`;
  const args = [
    { index: 5, value: 18446744073709551615n, valueTwo: 9007199254740993n, op: 'SCMP_CMP_MASKED_EQ' },
  ];
  expect(parseLinuxSeccomp(parseExactJson(text))).toEqual({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64'],
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    listenerPath: '/run/a',
    listenerMetadata: 'm',
    syscalls: [{ names: ['a', 'b'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args }],
  });
});

test('a section survives being written and read again', () => {
  const args = [{ index: 0, value: 0xffff_ffff_ffff_fffen, valueTwo: 0n, op: 'SCMP_CMP_EQ' as const }];
  const section = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...RULE, args }] };
  expect(parseLinuxSeccomp(parseExactJson(stringifyExactJson(section)))).toEqual(section);
});

test('null is absent, as Go programs write it', () => {
  const section = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: null,
    syscalls: [{ ...RULE, args: null }],
  };
  expect(parseLinuxSeccomp(section)).toEqual({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [RULE] });
});

const withArg = (arg: object) => ({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...RULE, args: [arg] }] });
const ARG = { index: 0, value: 1, op: 'SCMP_CMP_EQ' };

test.each([
  ['linux.seccomp is "x"', 'x'],
  ['linux.seccomp is a list', []],
  ['linux.seccomp.defaultAction is missing', {}],
  ['linux.seccomp.defaultAction is "SCMP_ACT_NO"', { defaultAction: 'SCMP_ACT_NO' }],
  ['linux.seccomp.syscalls is an object', { defaultAction: 'SCMP_ACT_ALLOW', syscalls: {} }],
  ['linux.seccomp.architectures[0] is "x86"', { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['x86'] }],
  ['linux.seccomp.flags[1] is 7', { defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_LOG', 7] }],
  [
    'linux.seccomp.syscalls[0].names is empty',
    { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...RULE, names: [] }] },
  ],
  ['linux.seccomp.syscalls[0].args[0].index is 6', withArg({ ...ARG, index: 6 })],
  ['linux.seccomp.syscalls[0].args[0].value is -1', withArg({ ...ARG, value: -1 })],
  ['linux.seccomp.syscalls[0].args[0].value is 1.5', withArg({ ...ARG, value: 1.5 })],
  ['linux.seccomp.syscalls[0].args[0].value is 18446744073709552000', withArg({ ...ARG, value: 2 ** 64 })],
  [
    'linux.seccomp.syscalls[0].args[0].valueTwo is 18446744073709551616',
    withArg({ ...ARG, valueTwo: 1n << 64n }),
  ],
  ['linux.seccomp.syscalls[0].args[0].op is "=="', withArg({ ...ARG, op: '==' })],
])('a fault is named with its path: %s', (message, value) => {
  expect(() => parseLinuxSeccomp(value)).toThrow(message);
});

test('an errno for an action that returns none is refused, as the specification demands', () => {
  const rule = { ...RULE, errnoRet: 1 };
  expect(() => parseLinuxSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] })).toThrow(
    /returns no errno/,
  );
  expect(() => parseLinuxSeccomp({ defaultAction: 'SCMP_ACT_KILL', defaultErrnoRet: 1 })).toThrow(
    /returns no errno/,
  );
});

test('notifying needs a listener, in both forms of a profile', () => {
  const notify = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...RULE, action: 'SCMP_ACT_NOTIFY' }] };
  expect(() => parseLinuxSeccomp(notify)).toThrow(/listenerPath/);
  expect(() => parseDockerSeccomp(notify)).toThrow(/listenerPath/);
  expect(() => parseLinuxSeccomp({ defaultAction: 'SCMP_ACT_NOTIFY' })).toThrow(/default/);
  const write = { ...notify, listenerPath: '/a', syscalls: [{ ...notify.syscalls[0], names: ['write'] }] };
  expect(() => parseLinuxSeccomp(write)).toThrow('SCMP_ACT_NOTIFY cannot be used for the write syscall');
});

test.each([
  ['includes', { caps: ['CAP_CHOWN'] }, true],
  ['includes', { caps: ['CAP_CHOWN', 'CAP_KILL'] }, false],
  ['includes', { arches: ['arm64', 'amd64'] }, true],
  ['includes', { arches: ['arm64'] }, false],
  ['includes', { arches: [], caps: null, minKernel: '' }, true],
  ['includes', { minKernel: '6.1' }, true],
  ['includes', { minKernel: '6.2' }, false],
  ['includes', { minKernel: '5.20' }, true],
  ['excludes', { caps: ['CAP_KILL', 'CAP_CHOWN'] }, false],
  ['excludes', { caps: ['CAP_KILL'] }, true],
  ['excludes', { arches: ['amd64'] }, false],
  ['excludes', { arches: ['s390x'] }, true],
  ['excludes', { minKernel: '4.8' }, false],
  ['excludes', { minKernel: '7.0' }, true],
])('a rule that %s %j holds on this host: %s', (kind, conditions, holds) => {
  const profile = parseDockerSeccomp({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ ...RULE, [kind]: conditions }],
  });
  expect(resolveDockerSeccomp(profile, HOST)).toEqual({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: holds ? [RULE] : [],
  });
});

test('the archMap gives the architectures of this host alone', () => {
  const archMap = [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_S390X', subArchitectures: ['SCMP_ARCH_S390'] },
  ];
  const profile = parseDockerSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', archMap });
  expect(resolveDockerSeccomp(profile, HOST).architectures).toEqual([
    'SCMP_ARCH_X86_64',
    'SCMP_ARCH_X86',
    'SCMP_ARCH_X32',
  ]);
  expect(resolveDockerSeccomp(profile, { ...HOST, arch: 'aarch64' }).architectures).toBeUndefined();
});

test('a profile from before 2016 has one name in a rule', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ name: 'read', action: 'SCMP_ACT_ALLOW', args: [] }],
  };
  expect(parseDockerSeccomp(profile).syscalls[0]?.names).toEqual(['read']);
});

test.each([
  [
    'both architectures and archMap',
    { archMap: [{ architecture: 'SCMP_ARCH_ARM' }], architectures: ['SCMP_ARCH_X86'] },
  ],
  ['both name and names', { syscalls: [{ ...RULE, name: 'read' }] }],
  ['includes.minKernel is "four"', { syscalls: [{ ...RULE, includes: { minKernel: 'four' } }] }],
  ['archMap[0].architecture is "x"', { archMap: [{ architecture: 'x' }] }],
])('a profile is refused: %s', (message, profile) => {
  expect(() => parseDockerSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', ...profile })).toThrow(message);
});

test.each([
  ['6.18.44-fc', { major: 6, minor: 18 }],
  ['5.10', { major: 5, minor: 10 }],
  ['4.19-rc1', { major: 4, minor: 19 }],
])('the kernel release %s', (release, version) => {
  expect(kernelVersionOf(release)).toEqual(version);
});

test("a rule with everything that Docker's own profile writes into its rules is read", () => {
  const rule = { ...RULE, args: null, comment: 'why', includes: {}, excludes: { arches: ['s390', 's390x'] } };
  const profile = parseDockerSeccomp({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    syscalls: [rule],
  });
  expect(resolveDockerSeccomp(profile, HOST).syscalls).toEqual([RULE]);
});
