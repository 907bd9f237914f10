/**
 * Beginning to change the store: its directories are there, what a crash left is gone, and nobody removes meanwhile.
 * A worker leaves a mark as long as its work is not done. A mark without a worker says that blobs and layers may be
 * there which no image of the index needs.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { removeTree } from '../kernel/remove-tree.ts';
import type { HostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { syncDirectory, temporaryPath, writeFileDurably } from './durable.ts';
import { collectGarbage } from './gc.ts';
import { ImageIndex } from './image-index.ts';
import { FileLock } from './locks.ts';
import type { StorePaths } from './store-paths.ts';

const MARK = 'work';

/** Whether a name in the temporary directory is the mark of a worker. */
export function isWorkMark(name: string): boolean {
  return name.startsWith(`${MARK}-`);
}

/** A share in the store, or all of it, until it is disposed of. Work that did not get to {@link done} is undone then. */
export class Work implements Disposable {
  readonly #paths: StorePaths;
  readonly #lock: FileLock;
  readonly #mark: HostPath;
  #done = false;

  constructor(paths: StorePaths, lock: FileLock) {
    this.#paths = paths;
    this.#lock = lock;
    this.#mark = temporaryPath(paths, MARK);
    // On the disk before anything that only the mark tells apart from what belongs to an image.
    writeFileSync(this.#mark, '', { flush: true });
    syncDirectory(paths.temporary);
  }

  done(): void {
    this.#done = true;
  }

  [Symbol.dispose](): void {
    if (this.#done) rmSync(this.#mark, { force: true });
    this.#lock[Symbol.dispose]();
    if (!this.#done) sweepWhenAlone(this.#paths);
  }
}

/** Waits for a removal that goes on, and then shares the store with other workers. */
export async function startWork(paths: StorePaths): Promise<Work> {
  makeDirectories(paths);
  sweepWhenAlone(paths);
  const lock = await FileLock.wait(paths.workLock, 'shared');
  makeLayout(paths);
  return new Work(paths, lock);
}

/** Has the store alone until it is disposed of. Its mark tells the next worker to go on with what a crash cut off. */
export async function startRemoval(paths: StorePaths): Promise<Work> {
  makeDirectories(paths);
  const lock = await FileLock.wait(paths.workLock, 'exclusive');
  makeLayout(paths);
  sweep(paths);
  return new Work(paths, lock);
}

function makeDirectories(paths: StorePaths): void {
  for (const path of [`${paths.blobs}/sha256`, paths.layers, paths.links, paths.resolved, paths.temporary]) {
    mkdirSync(path, { recursive: true });
  }
}

/** Under the lock: another process that is alone would sweep a file that is half written. */
function makeLayout(paths: StorePaths): void {
  const version = `${paths.layout}/oci-layout` as HostPath;
  if (!existsSync(version)) writeFileDurably(paths, version, '{"imageLayoutVersion":"1.0.0"}\n');
  new ImageIndex(paths).create();
}

function sweepWhenAlone(paths: StorePaths): void {
  using lock = FileLock.try(paths.workLock, 'exclusive');
  if (lock) sweep(paths);
}

/** Nobody works now: temporary things belong to nobody, and neither do links to layers that were never finished. */
function sweep(paths: StorePaths): void {
  const names = readdirSync(paths.temporary);
  for (const name of names) if (!isWorkMark(name)) removeTree(`${paths.temporary}/${name}` as HostPath);
  for (const name of readdirSync(paths.links)) {
    const link = `${paths.links}/${name}`;
    if (!existsSync(link)) rmSync(link, { force: true });
  }
  const marks = names.filter(isWorkMark);
  if (marks.length === 0 || !collectAfterCrash(paths)) return;
  for (const mark of marks) rmSync(`${paths.temporary}/${mark}`, { force: true });
}

/** False when an image is damaged: then nobody can tell what it needs, and all is kept until that image is removed. */
function collectAfterCrash(paths: StorePaths): boolean {
  try {
    collectGarbage(paths, []);
    return true;
  } catch (error) {
    if (error instanceof TsrunError) return false;
    throw error;
  }
}
