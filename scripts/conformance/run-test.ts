/** One test, in namespaces and cgroups of its own, with an end to its time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCgroups, removeCgroups, type TestCgroups, thaw, type View } from './cgroups.ts';
import type { Runtime } from './options.ts';
import { PATH } from './places.ts';
import type { Invocation, Suite, Test, Verdict } from './suites.ts';

export interface Outcome extends Verdict {
  readonly seconds: number;
  /** All it wrote, to its terminal. */
  readonly output: string;
  /** Cgroups that were there after its end, as paths of the machine. */
  readonly cgroupsLeft: readonly string[];
}

export interface RunOptions {
  readonly view: View;
  readonly timeoutSeconds: number;
  readonly interrupt: AbortSignal;
}

/** Joins the cgroups while they have names, makes the namespaces, and becomes view.sh as their PID 1. */
const ENTER = `
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done
shift
exec unshare --mount --net --ipc --uts --cgroup --pid --fork --kill-child=KILL --mount-proc -- bash "$@"`;

/** Runs it to its end, to the end of its time, or until `interrupt` is aborted, which throws. Always cleans up. */
export async function runTest(
  suite: Suite,
  test: Test,
  runtime: Runtime,
  { view, timeoutSeconds, interrupt }: RunOptions,
): Promise<Outcome> {
  const cgroups = makeCgroups(view);
  const start = performance.now();
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const output = await runInView(suite.invoke(test, runtime), cgroups, AbortSignal.any([interrupt, timeout]));
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  const cgroupsLeft = await removeCgroups(cgroups);
  interrupt.throwIfAborted();
  const verdict: Verdict = timeout.aborted ? { result: 'fail', reason: 'timeout' } : suite.judge(output);
  return { ...verdict, seconds, output, cgroupsLeft };
}

/** Starts a command as the only program of its own machine, which ends with it, or with this process. */
export function startInView({ command, env }: Invocation, cgroups: TestCgroups) {
  return spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', '--', 'sh', '-euc', ENTER, 'sh', ...cgroups.joined, '--'],
      ...[join(import.meta.dirname, 'view.sh'), ...cgroups.hierarchies, '--', ...command],
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a Ctrl-C is for us, who clean up
      env: { PATH, HOME: '/root', LANG: 'C.UTF-8', TERM: 'xterm', TMPDIR: '/run/test', ...env },
    },
  );
}

/** Returns what was written when all processes are gone, killed when `stop` is aborted. */
async function runInView(invocation: Invocation, cgroups: TestCgroups, stop: AbortSignal): Promise<string> {
  const child = startInView(invocation, cgroups);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const end = () => {
    killInit(child.pid ?? 0);
    thaw(cgroups);
  };
  stop.addEventListener('abort', end);
  await once(child, 'close');
  stop.removeEventListener('abort', end);
  return output;
}

/** Not unshare itself, once it has started PID 1 of its namespace, or nobody would wait for the dead one. */
export function killInit(unshare: number): void {
  process.kill(initOf(unshare) ?? unshare, 'SIGKILL');
}

/** PID 1 of the machine that `startInView` started, as this machine numbers it. */
export function initOf(unshare: number): number | undefined {
  const [init] = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').split(' ').filter(Boolean);
  return init === undefined ? undefined : Number(init);
}
