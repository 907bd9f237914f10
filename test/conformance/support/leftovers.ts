/** What of a box is still on the host, by the name it carries, and how it goes whatever state it is in. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMounts } from './cgroups.ts';
import { isAlive, until } from './container.ts';

export interface Marks {
  /** In the name of every cgroup. */
  readonly name: string;
  /** `NAME=value` in the environment of every process. */
  readonly environment: string;
  /** Above every mount. */
  readonly directory: string;
}

/** Readable lines, one for each thing: cgroups, processes, mounts. */
export function readLeftovers(marks: Marks): string[] {
  return [
    ...cgroupsOf(marks).map((path) => `cgroup ${path}`),
    ...processesOf(marks).map((pid) => `process ${pid}`),
    ...mountsOf(marks).map((path) => `mount ${path}`),
  ];
}

/** Ends, unmounts and removes all of it. */
export async function forceAway(marks: Marks): Promise<void> {
  await until(`the processes of ${marks.name} are gone`, () => {
    const pids = processesOf(marks);
    for (const pid of pids) ignoring('ESRCH', () => process.kill(pid, 'SIGKILL'));
    return pids.length === 0;
  });
  for (const path of mountsOf(marks)) execFileSync('umount', ['--lazy', path]);
  // The kernel empties a cgroup a moment after its last process has gone.
  await until(`the cgroups of ${marks.name} are gone`, () => {
    for (const path of cgroupsOf(marks)) ignoring('EBUSY', () => rmdirSync(path));
    return cgroupsOf(marks).length === 0;
  });
}

/** The deepest first: so they can be removed. */
function cgroupsOf({ name }: Marks): string[] {
  return cgroupMounts()
    .flatMap(({ directory }) => [...walk(directory)])
    .filter((path) => belongs(path, name))
    .sort((a, b) => b.length - a.length);
}

/** conformance-1-2 is not the owner of conformance-1-23. */
function belongs(text: string, name: string): boolean {
  return new RegExp(`${name}(?!\\d)`).test(text);
}

function processesOf({ name, environment, directory }: Marks): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && isAlive(pid))
    .filter(
      (pid) =>
        read(`/proc/${pid}/environ`).split('\0').includes(environment) ||
        belongs(read(`/proc/${pid}/cgroup`), name) ||
        belongs(read(`/proc/${pid}/cmdline`), directory),
    );
}

/** The innermost first: so they can be unmounted. */
function mountsOf({ directory }: Marks): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse();
}

function* walk(directory: string): Generator<string> {
  let names: string[] = [];
  ignoring('ENOENT', () => {
    names = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  });
  for (const name of names) {
    yield join(directory, name);
    yield* walk(join(directory, name));
  }
}

/** Whatever has gone meanwhile reads as nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function ignoring(errno: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== errno) throw error;
  }
}
