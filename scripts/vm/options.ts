/** The command line of `npm run vm`. */
import { realpathSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { TsrunError } from '../../src/lib/errors.ts';

export interface VmOptions {
  readonly machine: 'qemu' | 'uml';
  /** Which emulation QEMU uses; `auto` probes KVM once per boot of this computer. */
  readonly accel: 'auto' | 'kvm' | 'tcg';
  /** Guest memory, as QEMU writes it: `3G`, `512M`. */
  readonly memory: string;
  readonly timeoutSeconds: number;
  /** Whether /var/lib/tsrun and /var/tmp lie on an ext4 of 8 GB (sparse, in guest memory) instead of tmpfs. */
  readonly disk: boolean;
  /** Whether systemd is PID 1, and the command a service of it. */
  readonly systemd: boolean;
  /** Host directories the guest can write, at the same path. */
  readonly rwDirs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

export const USAGE = `usage: npm run vm -- [options] <command> [argument…]
  --uml              user-mode-linux instead of QEMU: boots faster, has fewer controllers
  --accel WHICH      auto (default), kvm or tcg
  --mem SIZE         memory of the machine (default 3G)
  --timeout SECONDS  end it after this time with status 125 (default 900)
  --disk             put /var/lib/tsrun and /var/tmp on ext4, for what tmpfs cannot do; a second slower
  --systemd          systemd as PID 1, with the system's D-Bus; the command is a service of it
  --rw-dir DIR       let the machine write this host directory, at the same path; repeatable
  --env NAME[=VALUE] set a variable for the command, or pass the caller's on; repeatable`;

/** Variables the command gets from the caller without being asked for. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TERM', 'TZ'];
const PASSED_ON_TO_TESTS = ['CI', 'STRICT', 'NO_COLOR', 'FORCE_COLOR'];

/** Reads options up to the first word that is none; the rest is the command, untouched. */
export function parseVmOptions(args: readonly string[], callerEnv: NodeJS.ProcessEnv): VmOptions {
  const commandStart = findCommand(args);
  const { values } = parse(args.slice(0, commandStart));
  const command = args.slice(args[commandStart] === '--' ? commandStart + 1 : commandStart);
  if (command.length === 0) throw new TsrunError('VM_USAGE', 'No command given', { hint: USAGE });

  const timeoutSeconds = Number(values.timeout);
  if (!(timeoutSeconds > 0)) usageError(`--timeout wants a number of seconds, not '${values.timeout}'`);
  if (!/^\d+[MG]$/.test(values.mem)) usageError(`--mem wants a size such as 3G or 512M, not '${values.mem}'`);
  const accel = values.accel;
  if (accel !== 'auto' && accel !== 'kvm' && accel !== 'tcg') {
    return usageError(`--accel wants auto, kvm or tcg, not '${accel}'`);
  }
  const machine = values.uml ? 'uml' : 'qemu';
  return {
    machine,
    accel,
    memory: values.mem,
    timeoutSeconds,
    disk: values.disk,
    systemd: values.systemd,
    rwDirs: values['rw-dir'].map(existingDirectory),
    env: { ...chooseEnv(values.env, callerEnv), TSRUN_VM: machine },
    command,
  };
}

const OPTIONS = {
  uml: { type: 'boolean', default: false },
  accel: { type: 'string', default: 'auto' },
  mem: { type: 'string', default: '3G' },
  timeout: { type: 'string', default: '900' },
  disk: { type: 'boolean', default: false },
  systemd: { type: 'boolean', default: false },
  'rw-dir': { type: 'string', multiple: true, default: [] as string[] },
  env: { type: 'string', multiple: true, default: [] as string[] },
} as const;

/** The index of the first word that is neither an option nor an option's value. */
function findCommand(args: readonly string[]): number {
  let index = 0;
  for (let word = args[index]; word?.startsWith('-') && word !== '--'; word = args[index]) {
    const takesValue = !word.includes('=') && !['--uml', '--disk', '--systemd'].includes(word);
    index += takesValue ? 2 : 1;
  }
  return Math.min(index, args.length);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true });
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

function existingDirectory(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    usageError(`--rw-dir wants a directory, and ${path} is none`);
  }
  return realpathSync(path);
}

function chooseEnv(requests: readonly string[], callerEnv: NodeJS.ProcessEnv): Record<string, string> {
  const env: Record<string, string> = {};
  for (const request of [...PASSED_ON, ...PASSED_ON_TO_TESTS, ...requests]) {
    const [name = '', value = callerEnv[name]] = splitOnce(request, '=');
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function usageError(message: string): never {
  throw new TsrunError('VM_USAGE', message, { hint: USAGE });
}
