/** Content and extended attributes of single files. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { checkErrno, native } from '../kernel/native.ts';

const PIECE_BYTES = 256 * 1024;
/** XATTR_LIST_MAX and XATTR_SIZE_MAX; xattr(7). */
const MAX_XATTR_BYTES = 65536;

/** Whether two regular files hold the same bytes. */
export function sameContent(a: Buffer, b: Buffer): boolean {
  const pieces = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  using first = openFile(a);
  using second = openFile(b);
  while (true) {
    const n = readSync(first.fd, pieces[0]);
    if (n !== readSync(second.fd, pieces[1])) return false;
    if (n === 0) return true;
    if (pieces[0].compare(pieces[1], 0, n, 0, n) !== 0) return false;
  }
}

function openFile(path: Buffer) {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Name → value in hexadecimal digits. A symbolic link is not followed. */
export function xattrsOf(path: Buffer): Readonly<Record<string, string>> {
  return Object.fromEntries(xattrNames(path).map((name) => [name, xattr(path, name).toString('hex')]));
}

function xattrNames(path: Buffer): string[] {
  const names = Buffer.alloc(MAX_XATTR_BYTES);
  const length = native().tsr_llistxattr(withNul(path), names, names.length);
  checkErrno(length, `Listing the extended attributes of ${path}`);
  return names.toString('utf8', 0, length).split('\0').filter(Boolean);
}

function xattr(path: Buffer, name: string): Buffer {
  const value = Buffer.alloc(MAX_XATTR_BYTES);
  const length = native().tsr_lgetxattr(withNul(path), name, value, value.length);
  checkErrno(length, `Reading the extended attribute ${name} of ${path}`);
  return value.subarray(0, length);
}

function withNul(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.from([0])]);
}
