/** Opening what the user gives: a directory, a tar in any compression, or a stream that can be read only once. */
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { HostPath } from '../../lib/brands.ts';
import { errnoOf } from '../../lib/errors.ts';
import { compressionOf, decompress } from '../decompress.ts';
import { temporaryPath } from '../durable.ts';
import { readBytes } from '../read-bytes.ts';
import type { StorePaths } from '../store-paths.ts';
import { type ArchiveSource, archiveError, DirectorySource, TarSource } from './source.ts';

export type ArchiveInput = { readonly path: HostPath } | { readonly stream: AsyncIterable<Buffer> };

export async function openArchive(paths: StorePaths, input: ArchiveInput): Promise<ArchiveSource> {
  if ('stream' in input) return new TarSource(await spool(paths, input.stream));
  const fd = openPath(input.path);
  let kept = false;
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return new DirectorySource(input.path);
    if (stat.isFile() && compressionOf(head(fd)) === 'none') {
      kept = true;
      return new TarSource(fd);
    }
    return new TarSource(await spool(paths, readBytes(fd)));
  } finally {
    if (!kept) closeSync(fd);
  }
}

/** The bytes of an input that is read once, from front to back. */
export async function* inputBytes(input: ArchiveInput): AsyncGenerator<Buffer> {
  if ('stream' in input) {
    yield* input.stream;
    return;
  }
  const fd = openPath(input.path);
  try {
    if (fstatSync(fd).isDirectory()) throw archiveError(`${JSON.stringify(input.path)} is a directory`);
    yield* readBytes(fd);
  } finally {
    closeSync(fd);
  }
}

function openPath(path: HostPath): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw archiveError(`opening ${JSON.stringify(path)} gave ${errnoOf(cause)}`, cause);
  }
}

function head(fd: number): Buffer {
  const bytes = Buffer.alloc(8);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

/** A nameless file in the store with the uncompressed bytes: an archive is read in its own order, not in the tar's. */
async function spool(paths: StorePaths, source: AsyncIterable<Buffer>): Promise<number> {
  const path = temporaryPath(paths, 'spool');
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of decompress(source)) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
    return openSync(path, 'r');
  } finally {
    await file.close();
    rmSync(path, { force: true });
  }
}
