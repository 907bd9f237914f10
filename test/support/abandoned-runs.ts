/**
 * What a run that was killed left behind: nobody was there any more to compare. The name of its directory says which process
 * it was, so the next run finds those whose process is gone, has `tsrun` and `tsrun-oci` remove their containers, and then
 * removes the directory.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, ownMark } from '../../src/runtime/process-mark.ts';
import { OCI_PROGRAM, PROGRAM } from './under-test.ts';

/** Short: where --trace leaves out the middle of a path, it must still be seen which of the run's directories is meant. */
const RUN = /^tsrt-(\d+)-(\d+)-/;

/** In `place`, for the process that calls. */
export function makeRunDirectory(place: string): string {
  return mkdtempSync(join(place, `tsrt-${ownMark().replace(' ', '-')}-`));
}

/** Those in `place`; the names of their directories. */
export function removeAbandonedRuns(place: string): readonly string[] {
  const abandoned = readdirSync(place).filter(isAbandoned);
  for (const name of abandoned) removeRun(join(place, name));
  return abandoned;
}

function isAbandoned(name: string): boolean {
  const [, pid, started] = RUN.exec(name) ?? [];
  return (
    pid !== undefined && started !== undefined && !isAlive({ pid: Number(pid), started: BigInt(started) })
  );
}

function removeRun(directory: string): void {
  const names = readdirSync(directory);
  const roots = (prefix: string) =>
    names.filter((name) => new RegExp(`^${prefix}(-|$)`).test(name)).map((name) => join(directory, name));
  for (const data of roots('data')) for (const run of roots('run')) removeContainers(data, run);
  for (const oci of roots('oci')) removeBundles(join(oci, 'root'));
  for (const mount of mountsBelow(directory)) execFileSync('umount', [mount]);
  rmSync(directory, { recursive: true, force: true });
}

/** What tests have mounted there; the last one first, which may lie on another. proc_pid_mountinfo(5) */
function mountsBelow(directory: string): readonly string[] {
  const mounts = words(readFileSync('/proc/self/mountinfo', 'utf8')).map((line) => line.split(' ')[4] ?? '');
  return mounts.filter((mount) => mount.startsWith(`${directory}/`)).toReversed();
}

/** A data root is used with several run roots: each shows its own containers as running, and the others as ended. */
function removeContainers(data: string, run: string): void {
  const tsrun = (...args: readonly string[]) =>
    execFileSync(PROGRAM, args, {
      encoding: 'utf8',
      env: { ...process.env, TSRUN_ROOT: data, TSRUN_RUN_ROOT: run },
    });
  // `ps` begins with the sweep of what has lost its helper.
  const ids = words(tsrun('ps', '-a', '-q'));
  if (ids.length > 0) tsrun('rm', '-f', ...ids);
}

function removeBundles(root: string): void {
  if (!existsSync(root)) return;
  const oci = (...args: readonly string[]) =>
    execFileSync(OCI_PROGRAM, ['--root', root, ...args], { encoding: 'utf8' });
  for (const id of words(oci('list', '-q'))) oci('delete', '-f', id);
}

const words = (text: string) => text.split('\n').filter((line) => line !== '');
