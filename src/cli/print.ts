/** Standard output, without process.stdout: to make that stream takes Node 3 ms. */
import { writeSync } from 'node:fs';
import { errnoOf } from '../lib/errors.ts';

/** Throws a system error, such as EPIPE when nobody reads any more. */
export function print(text: string | Buffer): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(1, bytes, written);
  } catch (error) {
    if (errnoOf(error) !== 'EAGAIN') throw error;
    // A pipe that somebody has set to O_NONBLOCK, and that is full: the stream waits.
    process.stdout.write(bytes.subarray(written));
  }
}
