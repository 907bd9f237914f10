/** The bytes of an open file, piece by piece, without taking over its descriptor as Node's read streams do. */
import { read } from 'node:fs';

const PIECE_BYTES = 256 * 1024;

/**
 * From `start`, `size` bytes at most; without `start` from where the descriptor stands (a pipe). A piece is valid until
 * the next one is asked for: its memory is used again, because the garbage collector would let it pile up.
 */
export async function* readBytes(
  fd: number,
  start?: number,
  size = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  // Two: the next read goes on while the caller works on this piece. A pipe is not read ahead of a caller that may stop.
  const buffers = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  const ahead = start !== undefined;
  let at = start ?? null;
  let left = size;
  let turn = 0;
  const readPiece = () => readInto(buffers[(turn++ & 1) as 0 | 1], fd, at, left);
  let next = readPiece();
  try {
    while (true) {
      const piece = await next;
      if (piece.length === 0) return;
      left -= piece.length;
      if (at !== null) at += piece.length;
      if (ahead) {
        next = readPiece();
        next.catch(() => undefined); // reported when it is awaited
      }
      yield piece;
      if (!ahead) next = readPiece();
    }
  } finally {
    await next.catch(() => undefined); // the caller closes the descriptor now
  }
}

function readInto(buffer: Buffer, fd: number, at: number | null, left: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (left === 0) return resolve(buffer.subarray(0, 0));
    read(fd, buffer, 0, Math.min(buffer.length, left), at, (error, n) =>
      error ? reject(error) : resolve(buffer.subarray(0, n)),
    );
  });
}
