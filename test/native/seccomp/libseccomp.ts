/** libseccomp as the reference: a C program built by the test, fed as runc feeds the library. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostArch } from '../../../src/spec/docker-seccomp.ts';
import type { LinuxSeccomp, SeccompAction, SeccompArg, SeccompOperator } from '../../../src/spec/seccomp.ts';

/** SCMP_ARCH_*, SCMP_ACT_* and enum scmp_compare of <seccomp.h>, written out again so that a slip in src/ shows. */
export const ARCH_TOKENS = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
} as const;
export type ReferenceArch = keyof typeof ARCH_TOKENS;

const ACTIONS: Record<SeccompAction, number> = {
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const OPERATORS: Record<SeccompOperator, number> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};
/** __NR_SCMP_ERROR: the library does not know the name. */
const UNKNOWN_NAME = -1;

export class Libseccomp {
  private readonly program: string;

  /** Compiles the reference program. Throws when there is no compiler or no libseccomp-dev. */
  constructor() {
    this.program = join(mkdtempSync(join(tmpdir(), 'tsrun-seccomp-')), 'reference');
    buildC('reference.c', this.program, ['-lseccomp']);
  }

  [Symbol.dispose](): void {
    rmSync(dirname(this.program), { recursive: true });
  }

  /** The library's numbers: negative for calls the architecture lacks, undefined for names it does not know. */
  resolve(arch: ReferenceArch, names: readonly string[]): readonly (number | undefined)[] {
    const input = names.map((name) => `${ARCH_TOKENS[arch]} ${name}\n`).join('');
    const lines = execFileSync(this.program, ['resolve'], { input, encoding: 'utf8' }).trim().split('\n');
    return lines.map(Number).map((number) => (number === UNKNOWN_NAME ? undefined : number));
  }

  /** The library's filter for `section`, built as runc builds it. */
  compile(section: LinuxSeccomp, host: HostArch): Buffer {
    const own: ReferenceArch = host === 'x86_64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64';
    const others = (section.architectures ?? []).map((arch) => ARCH_TOKENS[arch as ReferenceArch]);
    const machine = process.arch === 'arm64' ? ARCH_TOKENS.SCMP_ARCH_AARCH64 : ARCH_TOKENS.SCMP_ARCH_X86_64;
    const arches = [ARCH_TOKENS[own], ...others];
    const input = [
      `default ${answer(section.defaultAction, section.defaultErrnoRet)}`,
      ...arches.map((token) => `arch ${token}`),
      ...(arches.includes(machine) ? [] : [`without ${machine}`]),
      ...ruleLines(section),
    ];
    return execFileSync(this.program, { input: `${input.join('\n')}\n`, maxBuffer: 1 << 24 });
  }
}

/** Builds a C program of this folder with warnings as errors. */
export function buildC(source: string, target: string, libraries: readonly string[] = []): void {
  const path = fileURLToPath(new URL(source, import.meta.url));
  execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', target, path, ...libraries]);
}

export function answer(action: SeccompAction, errnoRet: number | undefined): number {
  const takesErrno = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return ACTIONS[action] + (takesErrno ? (errnoRet ?? 1) : 0);
}

/** One line per name and alternative; rules that repeat the default are left out, as the library refuses them. */
function ruleLines(section: LinuxSeccomp): readonly string[] {
  const unnamed = answer(section.defaultAction, section.defaultErrnoRet);
  return (section.syscalls ?? []).flatMap((rule) => {
    const action = answer(rule.action, rule.errnoRet);
    if (action === unnamed) return [];
    const args = rule.args ?? [];
    const isRepeated = new Set(args.map((arg) => arg.index)).size < args.length;
    const alternatives = isRepeated ? args.map((arg) => [arg]) : [args];
    return rule.names.flatMap((name) => alternatives.map((conditions) => ruleLine(action, name, conditions)));
  });
}

function ruleLine(action: number, name: string, conditions: readonly SeccompArg[]): string {
  const words = conditions.map((arg) => `${arg.index} ${OPERATORS[arg.op]} ${arg.value} ${arg.valueTwo}`);
  return ['rule', action, name, conditions.length, ...words].join(' ');
}
