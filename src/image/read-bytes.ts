/** The bytes of an open file, piece by piece, without taking over its descriptor as Node's read streams do. */
import { read } from 'node:fs';

const PIECE_BYTES = 256 * 1024;

/** From `start`, `size` bytes at most; without `start` from where the descriptor stands (a pipe). */
export async function* readBytes(
  fd: number,
  start?: number,
  size = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  let at = start ?? null;
  let next = size > 0 ? readPiece(fd, at, size) : undefined;
  for (let left = size; next !== undefined; ) {
    const piece = await next;
    if (piece.length === 0) return;
    left -= piece.length;
    if (at !== null) at += piece.length;
    // The next read goes on while the caller works on this piece; on a pipe it would read ahead of a caller that stops.
    next = left > 0 && at !== null ? readPiece(fd, at, left) : undefined;
    if (next) next.catch(() => undefined); // reported when it is awaited
    yield piece;
    if (left > 0 && at === null) next = readPiece(fd, at, left);
  }
}

function readPiece(fd: number, at: number | null, left: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, left));
    read(fd, buffer, 0, buffer.length, at, (error, n) =>
      error ? reject(error) : resolve(buffer.subarray(0, n)),
    );
  });
}
