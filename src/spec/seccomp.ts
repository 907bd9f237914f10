/**
 * The `linux.seccomp` section of an OCI runtime configuration (OCI Runtime Specification 1.3, config-linux.md,
 * "Seccomp"): which system calls a container may make. Names are the specification's.
 */
import { TsrunError } from '../lib/errors.ts';
import {
  readList,
  readObject,
  readOptional,
  readString,
  readUint,
  readUint64,
  readWord,
  withoutAbsent,
} from './shape.ts';

export const SECCOMP_ACTIONS = [
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRACE',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
  'SCMP_ACT_NOTIFY',
] as const;
export type SeccompAction = (typeof SECCOMP_ACTIONS)[number];

export const SECCOMP_ARCHITECTURES = [
  'SCMP_ARCH_X86',
  'SCMP_ARCH_X86_64',
  'SCMP_ARCH_X32',
  'SCMP_ARCH_ARM',
  'SCMP_ARCH_AARCH64',
  'SCMP_ARCH_LOONGARCH64',
  'SCMP_ARCH_M68K',
  'SCMP_ARCH_MIPS',
  'SCMP_ARCH_MIPS64',
  'SCMP_ARCH_MIPS64N32',
  'SCMP_ARCH_MIPSEL',
  'SCMP_ARCH_MIPSEL64',
  'SCMP_ARCH_MIPSEL64N32',
  'SCMP_ARCH_PPC',
  'SCMP_ARCH_PPC64',
  'SCMP_ARCH_PPC64LE',
  'SCMP_ARCH_S390',
  'SCMP_ARCH_S390X',
  'SCMP_ARCH_PARISC',
  'SCMP_ARCH_PARISC64',
  'SCMP_ARCH_RISCV64',
  'SCMP_ARCH_SH',
  'SCMP_ARCH_SHEB',
] as const;
export type SeccompArchitecture = (typeof SECCOMP_ARCHITECTURES)[number];

export const SECCOMP_FLAGS = [
  'SECCOMP_FILTER_FLAG_TSYNC',
  'SECCOMP_FILTER_FLAG_LOG',
  'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
  'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
] as const;
export type SeccompFlag = (typeof SECCOMP_FLAGS)[number];

export const SECCOMP_OPERATORS = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
] as const;
export type SeccompOperator = (typeof SECCOMP_OPERATORS)[number];

/** One condition on an argument: unsigned 64-bit comparison; for MASKED_EQ, `arg & value == valueTwo & value`. */
export interface SeccompArg {
  /** 0 to 5. */
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: SeccompOperator;
}

/** One rule: the action for these calls when every condition of `args` holds. */
export interface SeccompSyscall {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

export interface LinuxSeccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** Beside the host's own, which is always filtered. */
  readonly architectures?: readonly SeccompArchitecture[];
  readonly flags?: readonly SeccompFlag[];
  /** The unix socket that receives the notification descriptor. */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompSyscall[];
}

/** The kernel replaces a larger errno by this one (MAX_ERRNO, include/linux/err.h). */
const MAX_ERRNO = 4095;
const MAX_ARGUMENT_INDEX = 5;

/**
 * Reads a seccomp section that nobody has checked. `path` is where it stands, for messages. Unknown properties are
 * ignored, as the specification demands; a wrong shape, an unknown action, architecture, flag or operator is refused.
 */
export function parseLinuxSeccomp(value: unknown, path = 'linux.seccomp'): LinuxSeccomp {
  const section = readObject(value, path);
  const defaultAction = readWord(section.defaultAction, `${path}.defaultAction`, SECCOMP_ACTIONS);
  const parsed: LinuxSeccomp = withoutAbsent({
    defaultAction,
    defaultErrnoRet: readErrno(section.defaultErrnoRet, `${path}.defaultErrnoRet`, defaultAction),
    architectures: readOptional(section.architectures, `${path}.architectures`, readArchitectures),
    flags: readOptional(section.flags, `${path}.flags`, readFlags),
    listenerPath: readOptional(section.listenerPath, `${path}.listenerPath`, readString),
    listenerMetadata: readOptional(section.listenerMetadata, `${path}.listenerMetadata`, readString),
    syscalls: readOptional(section.syscalls, `${path}.syscalls`, readSyscalls),
  });
  requireListener(parsed, path);
  return parsed;
}

export function readArchitectures(value: unknown, path: string): readonly SeccompArchitecture[] {
  return readList(value, path, readArchitecture);
}

export function readArchitecture(value: unknown, path: string): SeccompArchitecture {
  return readWord(value, path, SECCOMP_ARCHITECTURES);
}

function readFlags(value: unknown, path: string): readonly SeccompFlag[] {
  return readList(value, path, (flag, at) => readWord(flag, at, SECCOMP_FLAGS));
}

function readSyscalls(value: unknown, path: string): readonly SeccompSyscall[] {
  return readList(value, path, readSyscall);
}

/** One entry of `syscalls`. */
export function readSyscall(value: unknown, path: string): SeccompSyscall {
  const rule = readObject(value, path);
  const names = readList(rule.names, `${path}.names`, readString);
  if (names.length === 0)
    throw new TsrunError('SPEC_SHAPE', `${path}.names is empty: expected a system call`);
  const action = readWord(rule.action, `${path}.action`, SECCOMP_ACTIONS);
  return withoutAbsent({
    names,
    action,
    errnoRet: readErrno(rule.errnoRet, `${path}.errnoRet`, action),
    args: readOptional(rule.args, `${path}.args`, (list, at) => readList(list, at, readArg)),
  });
}

function readArg(value: unknown, path: string): SeccompArg {
  const arg = readObject(value, path);
  return {
    index: readUint(arg.index, `${path}.index`, MAX_ARGUMENT_INDEX),
    value: readUint64(arg.value, `${path}.value`),
    valueTwo: readOptional(arg.valueTwo, `${path}.valueTwo`, readUint64) ?? 0n,
    op: readWord(arg.op, `${path}.op`, SECCOMP_OPERATORS),
  };
}

/** "When the action doesn't support an errno, the runtime MUST print and error and fail" (config-linux.md). */
function readErrno(value: unknown, path: string, action: SeccompAction): number | undefined {
  const errno = readOptional(value, path, (number, at) => readUint(number, at, MAX_ERRNO));
  if (errno === undefined || action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE') return errno;
  throw new TsrunError('SECCOMP_ERRNO', `${path} is ${errno}, but the action ${action} returns no errno`, {
    hint: 'remove it, or use SCMP_ACT_ERRNO or SCMP_ACT_TRACE',
  });
}

/** A call that waits for a supervisor needs somebody who gets the descriptor, or it waits for ever. */
export function requireListener(section: LinuxSeccomp, path: string): void {
  if (section.defaultAction === 'SCMP_ACT_NOTIFY')
    throw new TsrunError(
      'SECCOMP_NOTIFY',
      `${path}.defaultAction is SCMP_ACT_NOTIFY: not usable as a default`,
      {
        hint: 'the container would wait for its supervisor before it could start; list the calls instead',
      },
    );
  if (section.listenerMetadata && !section.listenerPath)
    throw new TsrunError('SECCOMP_NOTIFY', `${path}.listenerMetadata is set without a listenerPath`, {
      hint: 'give the unix socket of the supervisor as listenerPath, or leave both out',
    });
  const asking = section.syscalls?.filter((rule) => rule.action === 'SCMP_ACT_NOTIFY') ?? [];
  if (asking.some(({ names }) => names.includes('write')))
    throw new TsrunError('SECCOMP_NOTIFY', 'SCMP_ACT_NOTIFY cannot be used for the write syscall', {
      hint: `other runtimes could not start such a container either: take write out of ${path}.syscalls`,
    });
  if (asking.length > 0 && !section.listenerPath)
    throw new TsrunError('SECCOMP_NOTIFY', `${path} uses SCMP_ACT_NOTIFY without a listenerPath`, {
      hint: 'give the unix socket of the supervisor as listenerPath',
    });
}
