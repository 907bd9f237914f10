/** One run of a machine: hand it the task, stream what it prints, wait for the status, leave nothing behind. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { EXIT_ENGINE, TsrunError } from '../../src/lib/errors.ts';
import { chooseAccel } from './accel.ts';
import { cacheDirectory } from './kernel.ts';
import { cutLeash, GUEST_STDERR_FD, GUEST_STDIN_FD, GUEST_STDOUT_FD, spawnOnLeash } from './leash.ts';
import type { VmOptions } from './options.ts';
import { copyOutput } from './output.ts';
import { qemuCommand } from './qemu.ts';
import { umlCommand } from './uml.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What ended the wait for the guest. */
type End = { status: number } | { signal: (typeof SIGNALS)[number] } | { failure: string };

/**
 * Runs the command in a new machine and returns its exit status; 128+n when we got signal n.
 * Throws when the machine dies or the time is over; the console log is kept then.
 */
export async function runInMachine(options: VmOptions): Promise<number> {
  const cache = cacheDirectory();
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'tsrun-vm-')));
  const token = randomBytes(16).toString('hex');
  let keepLog = false;
  try {
    writeTask(directory, token, options);
    const command = await machineCommand(options, directory, cache);
    const end = await superviseMachine(command, directory, token, options.timeoutSeconds);
    if ('status' in end) return end.status;
    if ('signal' in end) return 128 + constants.signals[end.signal];
    keepLog = true;
    throw new TsrunError('VM_DIED', end.failure, {
      hint: `the console log is ${join(directory, 'console.log')}`,
      exitCode: EXIT_ENGINE,
    });
  } finally {
    if (!keepLog) rmSync(directory, { recursive: true, force: true });
  }
}

async function machineCommand(options: VmOptions, directory: string, cache: string): Promise<string[]> {
  if (options.machine === 'uml') return umlCommand(options, directory, cache);
  const accel = options.accel === 'auto' ? await chooseAccel(cache) : options.accel;
  return qemuCommand(options, accel, directory, cache);
}

/**
 * Files the guest's init reads from the shared root. env by its path: a plain name, even after env, would be
 * busybox's own program instead of the host's.
 */
function writeTask(directory: string, token: string, options: VmOptions): void {
  const cwd = process.cwd();
  const assignments = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const words = ['/usr/bin/env', '-i', ...assignments, ...options.command].map(quote).join(' ');
  const files = {
    command: `cd ${quote(cwd)} || exit ${EXIT_ENGINE}\nexec ${words}\n`,
    cwd: `${cwd}\n`,
    token: `${token}\n`,
    'rw-dirs': options.rwDirs.map((path) => `${path}\n`).join(''),
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), content, { mode: 0o600 });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

async function superviseMachine(
  command: string[],
  directory: string,
  token: string,
  timeoutSeconds: number,
): Promise<End> {
  const log = openSync(join(directory, 'console.log'), 'w');
  const machine = spawnOnLeash(command, log);
  closeSync(log);
  const exited = once(machine, 'exit');
  const port = (fd: number) => machine.stdio[fd] as Readable & Writable;

  const stdin = port(GUEST_STDIN_FD);
  stdin.on('error', () => process.stdin.unpipe(stdin)); // the guest may end without reading all
  process.stdin.pipe(stdin);
  const outputs = Promise.all([
    copyOutput(port(GUEST_STDOUT_FD), process.stdout, token),
    copyOutput(port(GUEST_STDERR_FD), process.stderr, token),
  ]);

  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<End>();
  const onSignal = (signal: NodeJS.Signals) => interrupt({ signal: signal as (typeof SIGNALS)[number] });
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const timer = setTimeout(
    () => interrupt({ failure: `The command did not end within ${timeoutSeconds} s` }),
    timeoutSeconds * 1000,
  );
  try {
    return await Promise.race([
      outputs.then(([status]) => ({ status })),
      exited.then(([code, signal]) => ({
        failure: `The machine stopped before the command's end (${signal ?? `exit status ${code}`})`,
      })),
      interrupted,
    ]);
  } finally {
    clearTimeout(timer);
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.stdin.unpipe(stdin);
    process.stdin.destroy();
    cutLeash(machine);
    await exited;
  }
}
