/** One test, in namespaces and cgroups of its own, with an end to its time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCgroups, removeCgroups, thaw, type View } from './cgroups.ts';
import type { Runtime } from './options.ts';
import { PATH } from './places.ts';
import type { Suite, Test, Verdict } from './suites.ts';

export interface Outcome extends Verdict {
  readonly seconds: number;
  /** All it wrote, to its terminal. */
  readonly output: string;
  /** Cgroups that were there after its end, as paths of the machine. */
  readonly cgroupsLeft: readonly string[];
}

/** Joins the cgroups while they have names, makes the namespaces, and becomes view.sh as their PID 1. */
const ENTER = `
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done
shift
exec unshare --mount --net --ipc --uts --cgroup --pid --fork --kill-child=KILL --mount-proc -- bash "$@"`;

export async function runTest(
  suite: Suite,
  test: Test,
  runtime: Runtime,
  view: View,
  timeoutSeconds: number,
): Promise<Outcome> {
  const cgroups = makeCgroups(view);
  const { command, env } = suite.invoke(test, runtime);
  const start = performance.now();
  const child = spawn(
    'sh',
    [
      ...['-euc', ENTER, 'sh', ...cgroups.joined, '--'],
      ...[join(import.meta.dirname, 'view.sh'), ...cgroups.hierarchies, '--', ...command],
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a Ctrl-C is for us: the test goes when we do
      env: { PATH, HOME: '/root', LANG: 'C.UTF-8', TERM: 'xterm', TMPDIR: '/run/test', ...env },
    },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killInit(child.pid);
    thaw(cgroups);
  }, timeoutSeconds * 1000);
  await once(child, 'close');
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  const verdict: Verdict = late ? { result: 'fail', reason: 'timeout' } : suite.judge(output);
  return { ...verdict, seconds, output, cgroupsLeft: await removeCgroups(cgroups) };
}

/** Not unshare itself, or nobody would wait for the dead PID 1 of its namespace. */
function killInit(unshare: number | undefined): void {
  const children = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8');
  for (const pid of children.split(' ').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
}
