/** Random bytes from the kernel. node:crypto would do as well, and cost a quarter of a cold start to load. */
import { closeSync, openSync, readSync } from 'node:fs';

/** urandom(4): reads of up to 256 bytes are never short. */
export function randomBytes(count: number): Buffer {
  if (count > 256) throw new RangeError(`${count} bytes at once`);
  const fd = openSync('/dev/urandom', 'r');
  try {
    const bytes = Buffer.alloc(count);
    readSync(fd, bytes);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
