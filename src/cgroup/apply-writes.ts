/** Limits of a container that runs already: written to its files, all of them or none. */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, reasonOf, TsrunError } from '../lib/errors.ts';
import type { ContainerCgroups } from './host.ts';
import type { CgroupWrite } from './setting.ts';

/**
 * In the order given. When the kernel refuses one, those before it get back what they had; the error says which one
 * it was, and what could not be given back.
 */
export function applyWrites(cgroups: ContainerCgroups, writes: readonly CgroupWrite[]): void {
  const done: { readonly path: string; readonly before: string }[] = [];
  for (const write of writes) {
    const path = join(directoryOf(cgroups, write), write.file);
    try {
      const before = readValue(path);
      writeValue(path, write.value);
      done.push({ path, before });
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno !== undefined && (write.tolerate as readonly string[] | undefined)?.includes(errno)) continue;
      const stay = done
        .toReversed()
        .flatMap(({ path: file, before }) => (restore(file, before) ? [] : [file]));
      throw refused(path, write, cause, stay);
    }
  }
}

function directoryOf(cgroups: ContainerCgroups, { version, controller }: CgroupWrite): string {
  const directory = version === 2 ? cgroups.v2 : cgroups.v1[controller];
  if (directory === undefined) throw new Error(`the container has no cgroup of ${controller} (v${version})`);
  return directory;
}

/** What a later write would restore; with a figure for each disk, the one for all of them comes first. */
function readValue(path: string): string {
  return readFileSync(path, 'utf8').split('\n')[0] ?? '';
}

/** Nothing is made here: a file that is not there is an error. An empty value takes a write of its own, the end of a line. */
function writeValue(path: string, value: string): void {
  const fd = openSync(path, constants.O_WRONLY);
  try {
    writeSync(fd, value === '' ? '\n' : value);
  } finally {
    closeSync(fd);
  }
}

function restore(path: string, before: string): boolean {
  try {
    writeValue(path, before);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EBUSY:
    'the container uses more than that, and the kernel could not free it: end a part of it, or give more',
  EINVAL: 'the kernel takes no such value here: compare it with the limits of the cgroup above',
  ENOENT: 'the container has ended, or this kernel has no such limit',
  ENODEV: 'the container has ended',
};

function refused(path: string, { value }: CgroupWrite, cause: unknown, stay: readonly string[]): TsrunError {
  const outcome = stay.length === 0 ? 'no limit was changed' : `these stay changed: ${stay.join(', ')}`;
  const hint = HINTS[errnoOf(cause) ?? ''];
  return new TsrunError('LIMIT_REFUSED', `Cannot write ${value} to ${path}: ${reasonOf(cause)}; ${outcome}`, {
    ...(hint === undefined ? {} : { hint }),
    exitCode: 1,
    cause,
  });
}
