/** The runtime under test, by its command line, which is runc's. Every command has a time limit. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const OWN = join(import.meta.dirname, '../../..', process.env.TSRUN_TEST_DIST === '1' ? 'dist/bin' : 'bin');

/** `RUNTIME`: a program, with global options where it needs them; without it, the tsrun-oci of this checkout. */
const [PROGRAM = '', ...OPTIONS] = (process.env.RUNTIME ?? join(OWN, 'tsrun-oci')).split(' ');

/** How often time limits are multiplied: `SLOWNESS=5` where the processor is emulated. */
export const SLOWNESS = Number(process.env.SLOWNESS ?? (process.env.TSRUN_VM === undefined ? 1 : 5));

const COMMAND_LIMIT_MS = 10_000 * SLOWNESS;

export interface CommandResult {
  /** The exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The runtime said no: it ended with another status than 0. */
export class CommandFailed extends Error {
  readonly result: CommandResult;

  constructor(args: readonly string[], result: CommandResult) {
    super(`${describe(args)} ended with ${result.status}: ${result.stderr.trim() || '(no message)'}`);
    this.result = result;
  }
}

/** The runtime neither did it nor said no: it crashed, or did not come back within the limit. */
export class CommandBroke extends Error {}

export interface CommandContext {
  /** Where its standard output and error go: files, for a container keeps them open after the command has ended. */
  readonly stdoutFile: string;
  readonly stderrFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** Runs one command of the runtime. Throws CommandFailed, or CommandBroke. */
export async function runRuntime(args: readonly string[], context: CommandContext): Promise<CommandResult> {
  const offset = { out: sizeOf(context.stdoutFile), err: sizeOf(context.stderrFile) };
  const how = await runProcess(args, context);
  const result = {
    status: typeof how === 'number' ? how : null,
    stdout: readFileSync(context.stdoutFile, 'utf8').slice(offset.out),
    stderr: readFileSync(context.stderrFile, 'utf8').slice(offset.err),
  };
  if (typeof how === 'string') throw new CommandBroke(`${describe(args)}: ${how}: ${result.stderr.trim()}`);
  if (how !== 0) throw new CommandFailed(args, result);
  return result;
}

/** Resolves with the exit status, or with a word on what happened instead of one. */
function runProcess(args: readonly string[], context: CommandContext): Promise<number | string> {
  const stdout = openSync(context.stdoutFile, 'a');
  const stderr = openSync(context.stderrFile, 'a');
  const { promise, resolve } = Promise.withResolvers<number | string>();
  // A process group of its own, so that all of it can be ended.
  const child = spawn(PROGRAM, [...OPTIONS, ...args], {
    stdio: ['ignore', stdout, stderr],
    detached: true,
    env: context.env,
    cwd: context.cwd,
  });
  closeSync(stdout);
  closeSync(stderr);
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    resolve(`not back after ${COMMAND_LIMIT_MS} ms`);
  }, COMMAND_LIMIT_MS);
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (status, signal) => resolve(status ?? `ended by ${signal}`));
  return promise.finally(() => clearTimeout(timer));
}

function describe(args: readonly string[]): string {
  return [PROGRAM, ...OPTIONS, ...args].join(' ');
}

function sizeOf(path: string): number {
  closeSync(openSync(path, 'a'));
  return readFileSync(path, 'utf8').length;
}
