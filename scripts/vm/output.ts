/**
 * One output stream of the guest. The guest ends it with NUL, the token of this run, the exit status as three
 * digits and a newline, in the same pipe the command wrote to, so all before the token is the command's.
 */
import type { Readable, Writable } from 'node:stream';

const STATUS_DIGITS = 3;

/** Copies a guest stream to ours and resolves with the exit status; never settles when the guest just dies. */
export function copyOutput(from: Readable, to: Writable, token: string): Promise<number> {
  const mark = Buffer.from(`\0${token}`);
  let held: Buffer = Buffer.alloc(0);
  const { promise, resolve } = Promise.withResolvers<number>();

  from.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    const end = held.indexOf(mark);
    const ours = end >= 0 ? end : held.length - startOfMarkLength(held, mark);
    if (ours > 0 && !to.write(held.subarray(0, ours))) {
      from.pause();
      to.once('drain', () => from.resume());
    }
    held = held.subarray(ours);
    if (end >= 0 && held.length >= mark.length + STATUS_DIGITS) {
      from.removeAllListeners('data');
      resolve(Number(held.toString('latin1', mark.length, mark.length + STATUS_DIGITS)));
    }
  });
  // A reader that goes away (`| head`) is no error of the guest; the rest of the output is dropped.
  to.on('error', () => from.resume());
  return promise;
}

/** How many bytes at the end of `bytes` could be the beginning of the mark, so must wait for more. */
function startOfMarkLength(bytes: Buffer, mark: Buffer): number {
  const nul = bytes.lastIndexOf(0);
  if (nul < 0 || bytes.length - nul >= mark.length) return 0;
  return mark.subarray(0, bytes.length - nul).equals(bytes.subarray(nul)) ? bytes.length - nul : 0;
}
