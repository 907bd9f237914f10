/** The blobs of the store, by digest. Nothing enters without having been hashed. */
import { createHash } from 'node:crypto';
import { closeSync, constants, createReadStream, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Digest } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import type { Descriptor } from '../spec/image.ts';
import { MAX_DOCUMENT_BYTES } from '../spec/image-json.ts';
import { renameDurably, temporaryPath } from './durable.ts';
import type { StorePaths } from './store-paths.ts';

export interface BlobFacts {
  readonly digest: Digest;
  readonly size: number;
}

const READ_BYTES = 256 * 1024;

export class Blobs {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  has(blob: BlobFacts): boolean {
    return statSync(this.#paths.blob(blob.digest), { throwIfNoEntry: false })?.size === blob.size;
  }

  /** A manifest, index or config, which must be what its descriptor says. */
  readDocument(descriptor: BlobFacts): Buffer {
    if (descriptor.size > MAX_DOCUMENT_BYTES) throw damaged(descriptor, `it has ${descriptor.size} bytes`);
    const bytes = this.#readFile(descriptor);
    if (bytes.length !== descriptor.size)
      throw damaged(descriptor, `it has ${bytes.length} bytes, not ${descriptor.size}`);
    const actual = digestOf(bytes, descriptor.digest);
    if (actual !== descriptor.digest) throw damaged(descriptor, `its content has the digest ${actual}`);
    return bytes;
  }

  #readFile(blob: BlobFacts): Buffer {
    const fd = this.#open(blob);
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** The bytes of a blob; the last step throws when they are not what the digest says. */
  async *read(blob: BlobFacts): AsyncGenerator<Buffer> {
    const fd = this.#open(blob);
    yield* verified(createReadStream('', { fd, highWaterMark: READ_BYTES }), blob);
  }

  #open(blob: BlobFacts): number {
    try {
      return openSync(this.#paths.blob(blob.digest), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      throw damaged(blob, errnoOf(cause) ?? String(cause), cause);
    }
  }

  /** Puts a document into the store. */
  async addDocument(bytes: Buffer): Promise<BlobFacts> {
    return this.add(single(bytes));
  }

  /**
   * Copies `source` into the store and returns its digest and size. With `expected` it must have these, and a blob
   * that the store has already is not read again.
   */
  async add(source: AsyncIterable<Buffer>, expected?: BlobFacts): Promise<BlobFacts> {
    if (expected && this.has(expected)) return expected;
    const temporary = temporaryPath(this.#paths, 'blob');
    try {
      const facts = await this.#spool(expected ? verified(source, expected) : source, temporary, expected);
      const path = this.#paths.blob(facts.digest);
      await mkdir(dirname(path), { recursive: true });
      renameDurably(temporary, path);
      return facts;
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  async #spool(
    source: AsyncIterable<Buffer>,
    path: string,
    expected: BlobFacts | undefined,
  ): Promise<BlobFacts> {
    const hash = expected ? undefined : createHash('sha256');
    const file = await open(path, 'wx', 0o644);
    let size = 0;
    try {
      for await (const chunk of source) {
        hash?.update(chunk);
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
        size += chunk.length;
      }
      await file.sync();
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOSPC') throw cause;
      throw new TsrunError('IMAGE_NO_SPACE', `Cannot write a blob to ${this.#paths.blobs}: ENOSPC`, {
        hint: 'free space on the file system of the data root',
        cause,
      });
    } finally {
      await file.close();
    }
    return expected ?? { digest: `sha256:${hash?.digest('hex')}` as Digest, size };
  }
}

/** Passes `source` on, and throws when it is longer than `blob` says, or at the end has another digest or size. */
async function* verified(source: AsyncIterable<Buffer>, blob: BlobFacts): AsyncGenerator<Buffer> {
  const hash = createHash(algorithmOf(blob.digest));
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > blob.size) throw damaged(blob, `it has more than ${blob.size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (size < blob.size) throw damaged(blob, `it ends after ${size} of ${blob.size} bytes`);
  const digest = `${algorithmOf(blob.digest)}:${hash.digest('hex')}`;
  if (digest !== blob.digest) throw damaged(blob, `its content has the digest ${digest}`);
}

async function* single(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

export function digestOf(bytes: Uint8Array, like: Digest): Digest {
  const algorithm = algorithmOf(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

function algorithmOf(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

export function factsOf(descriptor: Descriptor): BlobFacts {
  return { digest: descriptor.digest, size: descriptor.size };
}

function damaged(blob: BlobFacts, problem: string, cause?: unknown): TsrunError {
  return new TsrunError('IMAGE_DIGEST_MISMATCH', `Cannot read the blob ${blob.digest}: ${problem}`, {
    hint: 'the archive or the store is damaged; load the image again',
    cause,
  });
}
