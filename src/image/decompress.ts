/** Undoing gzip and zstd, recognised by the bytes themselves, as Docker does: media types and file names may lie. */
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { errnoOf, TsrunError } from '../lib/errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

const MAGIC: readonly { readonly bytes: readonly number[]; readonly format: string }[] = [
  { bytes: [0x1f, 0x8b], format: 'gzip' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], format: 'zstd' },
  { bytes: [0x42, 0x5a, 0x68], format: 'bzip2' },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], format: 'xz' },
];
const LONGEST_MAGIC = 5;
/** Large pieces, because each costs a turn of the event loop. */
const CHUNK_BYTES = 256 * 1024;

/** The uncompressed bytes of `source`; a piece is valid until the next one is asked for. Throws IMAGE_STREAM_DAMAGED for a bad checksum or a missing end. */
export async function* decompress(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const rest = resumed(head, iterator);
  const compression = compressionOf(head);
  yield* compression === 'none' ? rest : decoded(rest, compression);
}

/** What `head`, the first bytes of a stream, says. Throws for a compression that tsrun does not undo. */
export function compressionOf(head: Buffer): Compression {
  const format = MAGIC.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte))?.format;
  if (format === undefined) return 'none';
  if (format === 'gzip' || format === 'zstd') return format;
  throw new TsrunError(
    'IMAGE_COMPRESSION_UNSUPPORTED',
    `Cannot read the archive: it is compressed with ${format}`,
    {
      hint: 'uncompress it first, or compress it with gzip or zstd',
    },
  );
}

async function* decoded(source: AsyncIterable<Buffer>, compression: 'gzip' | 'zstd'): AsyncGenerator<Buffer> {
  const options = { chunkSize: CHUNK_BYTES };
  const decoder = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  // An error of the source reaches the loop below through the decoder, which is destroyed with it.
  const fed = feed(source, decoder).catch((error: Error) => decoder.destroy(error));
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer<ArrayBuffer>>) {
      yield chunk;
      release(chunk);
    }
  } catch (cause) {
    if (!/^(?:Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD)/.test(errnoOf(cause) ?? '')) throw cause;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new TsrunError('IMAGE_STREAM_DAMAGED', `Cannot uncompress the ${compression} stream: ${problem}`, {
      hint: 'the archive is damaged or cut off; fetch it again',
      cause,
    });
  } finally {
    decoder.destroy();
    await fed;
  }
}

/** Gives the decoder one piece at a time: `source` may use a piece again once the next one is asked for. */
async function feed(source: AsyncIterable<Buffer>, decoder: Transform): Promise<void> {
  const closed = new Promise<void>((resolve) => decoder.once('close', resolve));
  for await (const piece of source) {
    await Promise.race([new Promise<void>((resolve) => decoder.write(piece, () => resolve())), closed]);
    if (decoder.destroyed) return;
  }
  decoder.end();
}

/**
 * Frees the memory behind a piece that fills its buffer to the end: the decoder takes a new one then. Left to the
 * garbage collector these buffers pile up to 100 MB, as it counts the small objects that hold them.
 */
function release(chunk: Buffer<ArrayBuffer>): void {
  if (chunk.byteOffset + chunk.length === chunk.buffer.byteLength) chunk.buffer.transfer(0);
}

async function readHead(iterator: AsyncIterator<Buffer>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < LONGEST_MAGIC) {
    const next = await iterator.next();
    if (next.done) break;
    head = head.length === 0 ? (next.value as Buffer<ArrayBuffer>) : Buffer.concat([head, next.value]);
  }
  return head;
}

async function* resumed(head: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}
