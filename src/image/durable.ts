/**
 * Writing so that neither a reader nor a crash ever sees half a thing: a temporary name, fsync, rename, and fsync of
 * the directory, without which the new name itself can be lost. rename(2), fsync(2).
 */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { HostPath } from '../lib/brands.ts';
import type { StorePaths } from './store-paths.ts';

let counter = 0;

/** A name in the store's temporary directory that nobody else uses. */
export function temporaryPath(paths: StorePaths, purpose: string): HostPath {
  return `${paths.temporary}/${purpose}-${process.pid}-${process.hrtime.bigint().toString(36)}-${counter++}` as HostPath;
}

/** Replaces `path` by a file with `content`. */
export function writeFileDurably(paths: StorePaths, path: HostPath, content: string | Uint8Array): void {
  const temporary = temporaryPath(paths, 'file');
  const fd = openSync(temporary, 'wx', 0o644);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameDurably(temporary, path);
}

/** rename(2), then fsync of the directory that got the name. The source must be on the disk already. */
export function renameDurably(from: HostPath, to: HostPath): void {
  renameSync(from, to);
  syncDirectory(dirname(to));
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
