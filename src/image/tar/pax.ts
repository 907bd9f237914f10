/** PAX extended headers: records of `length key=value\n`, where the length counts the whole record. pax(1). */
import { type ByteString, byteString } from './bytes.ts';
import { tarError } from './error.ts';

/** What the records say about the next entry. The last record of a key wins. */
export interface PaxRecords {
  readonly values: ReadonlyMap<ByteString, ByteString>;
  /** From SCHILY.xattr.NAME, by NAME. */
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

const XATTR_PREFIX = 'SCHILY.xattr.';
const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const values = new Map<ByteString, ByteString>();
  const xattrs = new Map<ByteString, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const digits = space < 0 ? '' : byteString(bytes, at, space);
    const end = at + Number(digits);
    const equals = bytes.indexOf(EQUALS, space);
    const sound = /^[1-9][0-9]{0,7}$/.test(digits) && end <= bytes.length && bytes[end - 1] === NEWLINE;
    if (!sound || equals < 0 || equals >= end || equals <= space + 1)
      throw tarError('a PAX record is malformed');
    const key = byteString(bytes, space + 1, equals);
    if (key.includes('\0')) throw tarError('a PAX key has a NUL byte in it');
    if (key.startsWith('GNU.sparse.')) throw tarError('sparse files are not supported');
    if (key.startsWith(XATTR_PREFIX)) {
      xattrs.set(
        key.slice(XATTR_PREFIX.length) as ByteString,
        Buffer.from(bytes.subarray(equals + 1, end - 1)),
      );
    } else {
      values.set(key, byteString(bytes, equals + 1, end - 1));
    }
    at = end;
  }
  return { values, xattrs };
}
