/** A bundle and the container that is made of it: the operations of runtime.md, and what can be seen of it from outside. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from './config.ts';
import { CommandBroke, CommandFailed, type CommandResult, runRuntime, SLOWNESS } from './runtime.ts';

/** How long a change of state may take. */
const PATIENCE_MS = 10_000 * SLOWNESS;
const POLL_MS = 10;

/** What `state` prints: see runtime.md, State. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: string;
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Place {
  /** Of the bundle: config.json and rootfs. */
  readonly bundle: string;
  /** The runtime's `--root`. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
}

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly #place: Place;

  constructor(id: string, place: Place) {
    this.id = id;
    this.bundle = place.bundle;
    this.rootfs = join(place.bundle, 'rootfs');
    this.#place = place;
  }

  configure(config: Config): void {
    writeFileSync(join(this.bundle, 'config.json'), JSON.stringify(config));
  }

  readConfig(): Config {
    return JSON.parse(readFileSync(join(this.bundle, 'config.json'), 'utf8'));
  }

  /** `options`: further options of the command line, such as --console-socket. */
  async create(...options: string[]): Promise<void> {
    const pidFile = join(this.bundle, 'pid');
    await this.command('create', '--bundle', this.bundle, '--pid-file', pidFile, ...options, this.id);
  }

  async start(): Promise<void> {
    await this.command('start', this.id);
  }

  async state(): Promise<State> {
    return JSON.parse((await this.command('state', this.id)).stdout);
  }

  async kill(signal: string): Promise<void> {
    await this.command('kill', this.id, signal);
  }

  async delete(...options: string[]): Promise<void> {
    await this.command('delete', ...options, this.id);
  }

  /** Any command of the runtime, on the same `--root`. */
  command(...args: string[]): Promise<CommandResult> {
    // create's output is the container's; everybody else's is its own.
    const stream = (name: string) => join(this.bundle, args[0] === 'create' ? name : `${args[0]}.${name}`);
    return runRuntime(['--root', this.#place.root, ...args], {
      stdoutFile: stream('stdout'),
      stderrFile: stream('stderr'),
      env: this.#place.env,
      cwd: this.bundle,
    });
  }

  /** Of the container process, as create wrote it to its --pid-file. */
  pid(): number {
    return Number(readFileSync(join(this.bundle, 'pid'), 'utf8'));
  }

  /** What the container process has printed until now. */
  output(): string {
    return readFileSync(join(this.bundle, 'stdout'), 'utf8');
  }

  errors(): string {
    return readFileSync(join(this.bundle, 'stderr'), 'utf8');
  }

  /** Resolves when the container process has exited, with what it printed. */
  async exit(): Promise<string> {
    const pid = this.pid();
    await until(`${this.id} exits`, () => !isAlive(pid));
    return this.output();
  }

  async printed(pattern: RegExp): Promise<string> {
    await until(`${this.id} prints ${pattern}`, () => pattern.test(this.output()));
    return this.output();
  }

  async reaches(status: string): Promise<void> {
    await until(`${this.id} is ${status}`, async () => (await this.state()).status === status);
  }

  /** Whether the runtime knows it. */
  async exists(): Promise<boolean> {
    try {
      await this.state();
      return true;
    } catch (error) {
      if (error instanceof CommandFailed) return false;
      throw error;
    }
  }
}

/** Waits for an event that nobody announces. */
export async function until(what: string, happened: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await happened())) {
    if (Date.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain until ${what}`);
    await delay(POLL_MS);
  }
}

/** Whether a process runs. A zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/**
 * "MUST generate an error": resolves with what the runtime said. That the command succeeds is a failure of the test, and
 * so is a runtime that crashes or hangs.
 */
export async function error(command: Promise<unknown>): Promise<string> {
  try {
    await command;
  } catch (failure) {
    if (failure instanceof CommandFailed) return failure.result.stderr;
    throw failure;
  }
  throw new CommandBroke('The runtime should have generated an error, and it succeeded');
}
