/**
 * tsrun as a person uses it: the command `tsrun`, with a data root and a run root that belong to the test.
 *
 *     const tsrun = useTsrun({ images: ['busybox'] });
 *     test('a container has its own PID 1', async () => {
 *       const { stdout } = await tsrun.run('run', '--rm', 'busybox', 'sh', '-c', 'echo $$');
 *       expect(stdout).toBe('1\n');
 *     });
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, inject } from 'vitest';
import { MACHINE_NETWORK } from './network-host.ts';
import { PROGRAM, REPOSITORY, SLOWNESS } from './under-test.ts';

const IMAGE_TIMEOUT_MS = 300_000 * SLOWNESS;
const TIMEOUT_MS = 20_000 * SLOWNESS;

export interface Finished {
  /** The exit status; 128+n when a signal ended it, as a shell has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** After this time the command is killed and the test fails. Default 20 s, and more in the VM. */
  readonly timeoutMs?: number;
}

export interface Terminal {
  readonly process: ChildProcess;
  /** Resolves with what was printed so far once `pattern` is in it; rejects when the program ends before. */
  waitFor(pattern: RegExp): Promise<string>;
  type(text: string): void;
  resize(rows: number, columns: number): void;
  readonly finished: Promise<Finished>;
}

export interface Tsrun {
  readonly dataRoot: string;
  readonly runRoot: string;
  /** A directory of the test file, for its inputs; gone after the file. */
  readonly scratch: string;
  /** The environment that makes `tsrun` use these roots. */
  readonly env: Readonly<Record<string, string>>;
  run(...args: string[]): Promise<Finished>;
  runWith(options: RunOptions, ...args: string[]): Promise<Finished>;
  /** Like `run`, and fails when the status is not 0. Returns stdout. */
  ok(...args: string[]): Promise<string>;
  /** Starts the command and hands its process over, with pipes on all three streams. */
  start(...args: string[]): ChildProcess;
  /** Starts the command on a terminal of its own. */
  terminal(size: { readonly rows: number; readonly columns: number }, ...args: string[]): Terminal;
}

/** Images by the name of their recipe in rootfs/, or an empty store that no other test file sees. */
export interface Store {
  readonly images: readonly string[] | 'own';
}

/**
 * To be called at the top of a test file or of a describe block. Test files share one data root, so that an
 * image is loaded once in a run; with `images: 'own'` the file starts from an empty one.
 */
export function useTsrun({ images }: Store): Tsrun {
  const directory = inject('testDirectory');
  const dataRoot = images === 'own' ? mkdtempSync(join(directory, 'data-')) : join(directory, 'data');
  const runRoot = mkdtempSync(join(directory, 'run-'));
  const scratch = mkdtempSync(join(directory, 'scratch-'));
  const env = { TSRUN_ROOT: dataRoot, TSRUN_RUN_ROOT: runRoot };
  const tsrun = { dataRoot, runRoot, scratch, env, ...commands(env) };

  beforeAll(async () => {
    mkdirSync(dataRoot, { recursive: true });
    for (const image of images === 'own' ? [] : images) await loadOnce(tsrun, image);
  }, IMAGE_TIMEOUT_MS);
  afterAll(() => {
    for (const path of [runRoot, scratch, ...(images === 'own' ? [dataRoot] : [])]) {
      rmSync(path, { recursive: true, force: true });
    }
  });
  return tsrun;
}

/** The path of an image archive, made by its recipe when it is not in the cache. */
export async function imageArchive(image: string): Promise<string> {
  const command = ['bash', join(REPOSITORY, 'rootfs/build.sh'), image];
  const { stdout } = await promisify(execFile)('nsenter', [`--net=${MACHINE_NETWORK}`, '--', ...command]);
  return stdout.trim();
}

async function loadOnce(tsrun: Tsrun, image: string): Promise<void> {
  const mark = join(inject('testDirectory'), `loaded-${image}`);
  if (existsSync(mark)) return;
  const archive = await imageArchive(image);
  const { code, stderr } = await tsrun.runWith({ timeoutMs: IMAGE_TIMEOUT_MS }, 'load', '-i', archive);
  if (code !== 0) throw new Error(`tsrun load -i ${archive}: status ${code}\n${stderr}`);
  writeFileSync(mark, '');
}

type Commands = Pick<Tsrun, 'run' | 'runWith' | 'ok' | 'start' | 'terminal'>;

function commands(roots: Readonly<Record<string, string>>): Commands {
  const launch = (options: RunOptions, args: readonly string[]) =>
    spawn(PROGRAM, args, { cwd: options.cwd, env: { ...process.env, ...roots, ...options.env } });

  const runWith = async (options: RunOptions, ...args: string[]) => {
    const child = launch(options, args);
    // A command that does not read its input and ends makes the rest of it fail: not this side's business.
    child.stdin.on('error', () => {});
    child.stdin.end(options.stdin ?? '');
    return finish(child, `tsrun ${args.join(' ')}`, options.timeoutMs ?? TIMEOUT_MS);
  };
  return {
    runWith,
    run: (...args) => runWith({}, ...args),
    ok: async (...args) => {
      const { code, stdout, stderr } = await runWith({}, ...args);
      if (code !== 0) throw new Error(`tsrun ${args.join(' ')}: status ${code}\n${stderr}`);
      return stdout;
    },
    start: (...args) => launch({}, args),
    terminal: (size, ...args) => openTerminal(size, [PROGRAM, ...args], { ...process.env, ...roots }),
  };
}

async function finish(child: ChildProcess, what: string, timeoutMs: number): Promise<Finished> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout === null ? '' : buffer(child.stdout).then(String),
    child.stderr === null ? '' : buffer(child.stderr).then(String),
    exitStatus(child),
  ]);
  clearTimeout(timer);
  if (late) throw new Error(`${what}: not finished after ${timeoutMs} ms\n${stdout}\n${stderr}`);
  return { code, stdout, stderr };
}

function exitStatus(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal))));
  return promise;
}

const signalNumber = (signal: NodeJS.Signals) => constants.signals[signal];

/** Starts any program on a terminal of its own. */
export function openTerminal(
  size: { readonly rows: number; readonly columns: number },
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Terminal {
  const child = spawn(inject('ptyProgram'), [`${size.rows}`, `${size.columns}`, ...command], {
    env,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const control = child.stdio[3] as Writable;
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk;
    child.emit('printed');
  });
  const finished = exitStatus(child).then((code) => ({ code, stdout: printed, stderr: '' }));
  return {
    process: child,
    finished,
    type: (text) => child.stdin?.write(text),
    resize: (rows, columns) => control.write(`${rows} ${columns}\n`),
    waitFor: async (pattern) => {
      while (!pattern.test(printed)) {
        const { promise, resolve } = Promise.withResolvers<'more'>();
        child.once('printed', () => resolve('more'));
        const next = await Promise.race([promise, finished]);
        if (next !== 'more' && !pattern.test(printed))
          throw new Error(`ended without ${pattern}:\n${printed}`);
      }
      return printed;
    },
  };
}
