/**
 * Nothing is left of a container once it is deleted, however many there were, and at whatever moment it was killed: no mount,
 * cgroup, process or file, counted. The rounds of one test run are few; TSRUN_OCI_ROUNDS=1000 asks for 1000 runs, 1000 execs and 200 kills.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { useOci } from '../support/oci.ts';
import { OCI_PROGRAM, SLOWNESS } from '../support/under-test.ts';

const oci = useOci();
const ROUNDS = Number(process.env.TSRUN_OCI_ROUNDS ?? 10);
const KILLS = Math.ceil(ROUNDS / 5);
/** How many run at a time: they must not disturb each other either. */
const WORKERS = 3;
/** In the names of containers, and so of their cgroups. */
const MARK = `left${process.pid}`;
const PATIENCE_MS = (20_000 + ROUNDS * 3000) * SLOWNESS;

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

async function call(...args: string[]): Promise<Ended> {
  const child = spawn(OCI_PROGRAM, ['--root', oci.root, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}

/** Calls `work` for 0 to `count` - 1. */
async function inParallel(count: number, work: (round: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let round = next++; round < count; round = next++) await work(round);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

const EMPTY = { mounts: [], cgroups: [], processes: [], files: [] };

function leftovers(): Record<keyof typeof EMPTY, string[]> {
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(oci.scratch) || line.includes(MARK)),
    cgroups: cgroupsBelow('/sys/fs/cgroup').filter((path) => path.includes(MARK)),
    processes: readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(name)),
    files: list(oci.root),
  };
}

/** A process of a container, or a helper of one: by its words, or by its root file system. */
function isOurs(pid: string): boolean {
  if (Number(pid) === process.pid) return false;
  return (
    read(`/proc/${pid}/cmdline`).includes(oci.root) ||
    read(`/proc/${pid}/cgroup`).includes(MARK) ||
    read(`/proc/${pid}/environ`).includes(`MARK=${MARK}`)
  );
}

function cgroupsBelow(directory: string): string[] {
  return list(directory, 'directories').flatMap((name) => {
    const path = join(directory, name);
    return [path, ...cgroupsBelow(path)];
  });
}

// What is listed may be gone when it is read.
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string, which: 'all' | 'directories' = 'all'): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => which === 'all' || entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** What is dying is given a moment: the container's process after its helper. */
async function settled(): Promise<ReturnType<typeof leftovers>> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const found = leftovers();
    if (Object.values(found).every((what) => what.length === 0) || Date.now() > deadline) return found;
    await setTimeout(50);
  }
}

const sleeper = () =>
  oci.bundle({ args: ['sleep', '1000'], process: { env: ['PATH=/bin', `MARK=${MARK}`] } });

test(
  `${ROUNDS} runs leave nothing`,
  async () => {
    const bundle = oci.bundle({ args: ['true'] });
    await inParallel(ROUNDS, async (round) => {
      expect(await call('run', '-b', bundle, `${MARK}-run${round}`)).toEqual({ code: 0, stderr: '' });
    });
    expect(await settled()).toEqual(EMPTY);
  },
  PATIENCE_MS,
);

test(
  `${ROUNDS} execs leave nothing`,
  async () => {
    const id = `${MARK}-exec`;
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', sleeper(), id);
    await inParallel(ROUNDS, async (round) => {
      expect(await call('exec', id, 'sh', '-c', `exit ${round % 3}`)).toEqual({
        code: round % 3,
        stderr: '',
      });
    });
    expect(oci.ok('ps', id).trim().split('\n')).toHaveLength(2);
    oci.ok('delete', '-f', id);
    expect(await settled()).toEqual(EMPTY);
  },
  PATIENCE_MS,
);

test(
  `${KILLS} runs that are killed at a random moment leave nothing once they are deleted`,
  async () => {
    const bundle = sleeper();
    const begun = Date.now();
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, `${MARK}-whole`);
    const wholeMs = Date.now() - begun;
    oci.ok('delete', '-f', `${MARK}-whole`);
    await inParallel(KILLS, async (round) => {
      const id = `${MARK}-kill${round}`;
      const child = spawn(OCI_PROGRAM, ['--root', oci.root, 'run', '-b', bundle, id], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      const momentMs = Math.random() * wholeMs * 2;
      await setTimeout(momentMs);
      child.kill('SIGKILL');
      await ended;
      const where = `killed after ${momentMs.toFixed(1)} ms, a start takes ${wholeMs}`;
      expect(await call('delete', '-f', id), where).toEqual({ code: 0, stderr: '' });
    });
    expect(await settled()).toEqual(EMPTY);
  },
  PATIENCE_MS,
);
