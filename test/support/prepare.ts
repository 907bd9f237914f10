/**
 * Once per run of a container suite: makes the directory everything of this run lives in, the helper that gives
 * programs a terminal, and the program that runs a plan; removes the directory at the end.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { makeRunDirectory, removeAbandonedRuns } from './abandoned-runs.ts';
import { INSTALLED, NATIVE_DIRECTORY } from './under-test.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory of this run; not on overlayfs, so that a container's upper directory can lie in it. */
    readonly testDirectory: string;
    /** The program that runs another one in a terminal of its own (test/support/pty.c). */
    readonly ptyProgram: string;
    /** The program that decides about system calls (test/support/seccomp-agent.c). */
    readonly seccompAgent: string;
    /** The two ends of a notification socket (test/support/notify-peer.c); static, for it runs inside. */
    readonly notifyPeer: string;
    /** The script that runs one plan (test/support/run-plan.ts), for Node. */
    readonly planRunner: string;
  }
}

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
const PLAN_RUNNER = join(import.meta.dirname, 'run-plan.ts');

export default async function prepare(project: TestProject): Promise<() => void> {
  const place = placeForDataRoots();
  for (const name of removeAbandonedRuns(place))
    console.warn(`${place}/${name}: a run that was killed left it`);
  const testDirectory = makeRunDirectory(place);
  project.provide('testDirectory', testDirectory);
  project.provide('ptyProgram', buildProgram(testDirectory, 'pty', '-lutil'));
  project.provide('seccompAgent', buildProgram(testDirectory, 'seccomp-agent'));
  project.provide('notifyPeer', buildProgram(testDirectory, 'notify-peer', '-static'));
  project.provide('planRunner', INSTALLED ? await bundlePlanRunner(testDirectory) : PLAN_RUNNER);
  return () => rmSync(testDirectory, { recursive: true, force: true });
}

/** In the VM the root file system is an overlay, and an overlay takes no upper directory on another one. */
function placeForDataRoots(): string {
  const place = ['/var/tmp', '/tmp', '/dev/shm'].find(
    (path) => statfsSync(path).type !== OVERLAYFS_SUPER_MAGIC,
  );
  if (place === undefined) throw new Error('No directory outside overlayfs for the data roots of the tests');
  return place;
}

function buildProgram(testDirectory: string, name: string, ...libraries: readonly string[]): string {
  const program = join(testDirectory, name);
  const source = join(import.meta.dirname, `${name}.c`);
  execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source, ...libraries], {
    stdio: 'inherit',
  });
  return program;
}

/** One script as scripts/bundle.ts makes them, with the native parts of dist/ beside it: it starts without its TypeScript. */
async function bundlePlanRunner(testDirectory: string): Promise<string> {
  const directory = join(testDirectory, 'plan-runner');
  const script = join(directory, 'run-plan.cjs');
  const program = await rolldown({ input: PLAN_RUNNER, platform: 'node', external: ['koffi'] });
  await program.write({ file: script, format: 'cjs', codeSplitting: false });
  for (const name of ['libtsrun.so', 'tsrun-exec'])
    symlinkSync(join(NATIVE_DIRECTORY, name), join(directory, name));
  return script;
}
