/** Small blobs that are read whole: manifests, indexes and image configs. What they say is checked by their digest. */
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import type { Digest } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { MAX_DOCUMENT_BYTES } from '../spec/image-json.ts';
import { digestOf } from './hash.ts';
import type { StorePaths } from './store-paths.ts';

/** What a descriptor promises of a blob. */
export interface BlobFacts {
  readonly digest: Digest;
  readonly size: number;
}

export function hasBlob(paths: StorePaths, blob: BlobFacts): boolean {
  return statSync(paths.blob(blob.digest), { throwIfNoEntry: false })?.size === blob.size;
}

/** Throws IMAGE_DIGEST_MISMATCH when the blob is missing or is not what its descriptor says. */
export function readDocument(paths: StorePaths, blob: BlobFacts): Buffer {
  if (blob.size > MAX_DOCUMENT_BYTES)
    throw damagedBlob(blob, `it has ${blob.size} bytes, more than a document may`);
  const fd = openBlob(paths, blob);
  try {
    const bytes = readFileSync(fd);
    if (bytes.length !== blob.size) throw damagedBlob(blob, `it has ${bytes.length} bytes, not ${blob.size}`);
    const actual = digestOf(bytes, blob.digest);
    if (actual !== blob.digest) throw damagedBlob(blob, `its content has the digest ${actual}`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** A blob that is a symbolic link is not followed: it would read another file of the host. */
export function openBlob(paths: StorePaths, blob: BlobFacts): number {
  try {
    return openSync(
      paths.blob(blob.digest),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (cause) {
    throw damagedBlob(blob, `opening it gave ${errnoOf(cause) ?? String(cause)}`, cause);
  }
}

export function damagedBlob(blob: BlobFacts, problem: string, cause?: unknown): TsrunError {
  return new TsrunError('IMAGE_DIGEST_MISMATCH', `Cannot read the blob ${blob.digest}: ${problem}`, {
    hint: 'the archive is damaged, or the store: see `tsrun system check`',
    cause,
  });
}
