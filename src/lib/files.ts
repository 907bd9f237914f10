/** Reading and writing what may not be there: a missing entry is an answer, not an error. */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { errnoOf } from './errors.ts';

export function readFileIfThere(path: string): string | undefined {
  return ifThere(() => readFileSync(path, 'utf8'));
}

export function readLinkIfThere(path: string): string | undefined {
  return ifThere(() => readlinkSync(path));
}

/** Whether it was there to be written to; it is not made. */
export function writeFileIfThere(path: string, text: string): boolean {
  const written = ifThere(() => {
    writeFileSync(path, text, { flag: 'r+' });
    return true;
  });
  return written ?? false;
}

/** The names in a directory; none when there is no such directory. */
export function namesIn(directory: string): string[] {
  return ifThere(() => readdirSync(directory)) ?? [];
}

/** A process may end, and a cgroup be removed, between the opening of one of its files and the reading: ESRCH, and ENODEV. */
const NOT_THERE = ['ENOENT', 'ESRCH', 'ENODEV'];

function ifThere<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (NOT_THERE.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
