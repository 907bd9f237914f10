/** Beginning to change the store: its directories are there, what a crash left is gone, and nobody removes meanwhile. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import type { HostPath } from '../lib/brands.ts';
import { writeFileDurably } from './durable.ts';
import { ImageIndex } from './image-index.ts';
import { removeTree } from './layers.ts';
import { FileLock } from './locks.ts';
import type { StorePaths } from './store-paths.ts';

/** Waits for a removal that goes on, and then shares the store with other workers until it is disposed of. */
export async function startWork(paths: StorePaths): Promise<FileLock> {
  makeStore(paths);
  sweepWhenAlone(paths);
  return FileLock.wait(paths.workLock, 'shared');
}

/** Has the store alone until it is disposed of. */
export async function startRemoval(paths: StorePaths): Promise<FileLock> {
  makeStore(paths);
  const lock = await FileLock.wait(paths.workLock, 'exclusive');
  sweep(paths);
  return lock;
}

function makeStore(paths: StorePaths): void {
  for (const path of [`${paths.blobs}/sha256`, paths.layers, paths.links, paths.resolved, paths.temporary]) {
    mkdirSync(path, { recursive: true });
  }
  const version = `${paths.layout}/oci-layout` as HostPath;
  if (!existsSync(version)) writeFileDurably(paths, version, '{"imageLayoutVersion":"1.0.0"}\n');
  new ImageIndex(paths).create();
}

function sweepWhenAlone(paths: StorePaths): void {
  using lock = FileLock.try(paths.workLock, 'exclusive');
  if (lock) sweep(paths);
}

/** Temporary things belong to nobody now; neither do links to layers that were never finished. */
function sweep(paths: StorePaths): void {
  for (const name of readdirSync(paths.temporary)) removeTree(`${paths.temporary}/${name}` as HostPath);
  for (const name of readdirSync(paths.links)) {
    const link = `${paths.links}/${name}`;
    if (!existsSync(link)) rmSync(link, { force: true });
  }
}
