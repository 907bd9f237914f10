/** What the engine takes of the disk: images, and what containers wrote. */
import { lstatSync, readdirSync } from 'node:fs';
import { openImageStore } from '../image/store.ts';
import type { ImagesUsage } from '../image/usage.ts';
import { errnoOf } from '../lib/errors.ts';
import { type Container, imageUses, listContainers } from './container-store.ts';
import { containerDir, type EnginePaths } from './paths.ts';

export interface ContainerUsageOnDisk {
  readonly container: Container;
  /** Of the files in its writable layer. */
  readonly writtenBytes: number;
}

export interface DiskUsage {
  readonly images: ImagesUsage;
  readonly containers: readonly ContainerUsageOnDisk[];
}

export async function measureDisk(paths: EnginePaths): Promise<DiskUsage> {
  return {
    images: await openImageStore(paths.dataRoot).measure(imageUses(paths)),
    containers: listContainers(paths).map((container) => ({
      container,
      writtenBytes: sizeOfTree(Buffer.from(`${containerDir(paths, container.record.id)}/upper`)),
    })),
  };
}

/** The container may write meanwhile, and may have nested deeper than a path can name (PATH_MAX): that is not counted. */
const UNCOUNTED = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'];

/** Sizes of all files, each once whatever the number of its names. Nothing is opened but directories. */
function sizeOfTree(root: Buffer): number {
  const linked = new Set<bigint>();
  const directories = [root];
  let bytes = 0n;
  for (let dir = directories.pop(); dir !== undefined; dir = directories.pop()) {
    for (const path of entriesOf(dir)) {
      const stat = ifCounted(() => lstatSync(path, { bigint: true }));
      if (stat === undefined || linked.has(stat.ino)) continue;
      if (stat.isDirectory()) directories.push(path);
      else bytes += stat.size;
      if (stat.nlink > 1n && !stat.isDirectory()) linked.add(stat.ino);
    }
  }
  return Number(bytes);
}

function entriesOf(dir: Buffer): Buffer[] {
  const names = ifCounted(() => readdirSync(dir, { encoding: 'buffer' })) ?? [];
  return names.map((name) => Buffer.concat([dir, Buffer.from('/'), name]));
}

function ifCounted<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (UNCOUNTED.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
