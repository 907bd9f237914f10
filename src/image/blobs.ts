/** Blobs as streams: nothing enters the store, and nothing is unpacked from it, without having been hashed. */
import { closeSync, renameSync, rmSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { type BlobFacts, damagedBlob, hasBlob, openBlob } from './documents.ts';
import { temporaryPath } from './durable.ts';
import { algorithmOf, Digester } from './hash.ts';
import { readBytes } from './read-bytes.ts';
import type { StorePaths } from './store-paths.ts';

/** The bytes of a blob; the last step throws when they are not what the digest says. */
export async function* readBlob(paths: StorePaths, blob: BlobFacts): AsyncGenerator<Buffer> {
  const fd = openBlob(paths, blob);
  try {
    yield* verified(readBytes(fd, 0), blob);
  } finally {
    closeSync(fd);
  }
}

/** Puts a document into the store. */
export function addDocument(paths: StorePaths, bytes: Buffer): Promise<BlobFacts> {
  return addBlob(paths, once(bytes));
}

/**
 * Copies `source` into the store and returns its digest and size. With `expected` it must have these, and a blob that
 * the store has already is not read again. It is on the disk after {@link syncBlobs}, which comes before anything
 * refers to it: so the disk writes while the layer is unpacked. After a crash in between, work.ts removes it.
 */
export async function addBlob(
  paths: StorePaths,
  source: AsyncIterable<Buffer>,
  expected?: BlobFacts,
): Promise<BlobFacts> {
  if (expected && hasBlob(paths, expected)) return expected;
  const temporary = temporaryPath(paths, 'blob');
  const digester = new Digester('sha256');
  try {
    const bytes = expected ? verified(source, expected) : hashed(source, digester);
    const size = await writeFile(paths, temporary, bytes);
    const facts = expected ?? { digest: digester.digest(), size };
    const path = paths.blob(facts.digest);
    await mkdir(dirname(path), { recursive: true });
    if (!hasBlob(paths, facts)) renameSync(temporary, path); // one that is there may be on the disk already
    return facts;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Waits until these blobs, and their names, are on the disk. */
export async function syncBlobs(paths: StorePaths, blobs: readonly BlobFacts[]): Promise<void> {
  const files = new Set(blobs.map((blob) => paths.blob(blob.digest)));
  const directories = new Set([...files].map((path) => dirname(path)));
  for (const path of [...files, ...directories]) {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** Returns the number of bytes written. */
async function writeFile(paths: StorePaths, path: string, source: AsyncIterable<Buffer>): Promise<number> {
  const file = await open(path, 'wx', 0o644);
  let size = 0;
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      size += chunk.length;
    }
    return size;
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOSPC') throw cause;
    throw new TsrunError('IMAGE_NO_SPACE', `Cannot write a blob to ${paths.blobs}: ENOSPC`, {
      hint: 'free space on the file system of the data root',
      cause,
    });
  } finally {
    await file.close();
  }
}

/** Passes `source` on, and throws when it is longer than `blob` says, or at the end has another digest or size. */
async function* verified(source: AsyncIterable<Buffer>, blob: BlobFacts): AsyncGenerator<Buffer> {
  const digester = new Digester(algorithmOf(blob.digest));
  let size = 0;
  for await (const chunk of hashed(source, digester)) {
    size += chunk.length;
    if (size > blob.size) throw damagedBlob(blob, `it has more than ${blob.size} bytes`);
    yield chunk;
  }
  if (size < blob.size) throw damagedBlob(blob, `it ends after ${size} of ${blob.size} bytes`);
  const digest = digester.digest();
  if (digest !== blob.digest) throw damagedBlob(blob, `its content has the digest ${digest}`);
}

async function* hashed(source: AsyncIterable<Buffer>, digester: Digester): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    digester.update(chunk);
    yield chunk;
  }
}

export async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
