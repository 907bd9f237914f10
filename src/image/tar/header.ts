/** One 512-byte tar header: v7, ustar, GNU and star. tar(5). */
import { type ByteString, byteString } from './bytes.ts';
import { tarError } from './error.ts';
import { headerNumber } from './numbers.ts';

export const BLOCK_BYTES = 512;

/** Where each field lies: offset and length. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const;

type NumericField = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devmajor' | 'devminor';

/** A view of one header block. Fields are read when asked for: a PAX record can stand in for an unreadable one. */
export class TarHeader {
  readonly #block: Buffer;
  /** The type flag as a character: `0` or NUL a file, `5` a directory … */
  readonly type: string;

  /** Throws when the checksum is wrong. */
  constructor(block: Buffer) {
    verifyChecksum(block);
    this.#block = block;
    this.type = String.fromCharCode(block[FIELDS.type[0]] as number);
  }

  number(field: NumericField): number {
    const [at, length] = FIELDS[field];
    return headerNumber(this.#block, at, length, field);
  }

  name(): ByteString {
    const name = this.#text('name');
    const prefix = this.#prefix();
    return prefix === '' ? name : (`${prefix}/${name}` as ByteString);
  }

  link(): ByteString {
    return this.#text('link');
  }

  /** Only POSIX archives have it: GNU's (magic `ustar  `) keep other things there; star's is shorter. */
  #prefix(): ByteString {
    const [at, length] = FIELDS.prefix;
    if (byteString(this.#block, FIELDS.magic[0], FIELDS.magic[0] + 6) !== 'ustar\0') return '' as ByteString;
    const isStar = byteString(this.#block, 508, 512) === 'tar\0';
    return untilNul(this.#block, at, isStar ? 131 : length);
  }

  #text(field: 'name' | 'link'): ByteString {
    const [at, length] = FIELDS[field];
    return untilNul(this.#block, at, length);
  }
}

function untilNul(block: Buffer, at: number, length: number): ByteString {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return byteString(block, at, end);
}

/** The sum of all bytes, with the checksum field as spaces; old tars summed signed bytes. */
function verifyChecksum(block: Buffer): void {
  const [at, length] = FIELDS.checksum;
  const expected = headerNumber(block, at, length, 'checksum');
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) sum += block[i] as number;
  for (let i = at; i < at + length; i++) sum += 0x20 - (block[i] as number);
  if (sum === expected) return;
  let high = 0;
  for (let i = 0; i < BLOCK_BYTES; i++)
    if ((i < at || i >= at + length) && (block[i] as number) > 127) high++;
  if (sum - 256 * high !== expected) throw tarError('a header has a wrong checksum');
}

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK_BYTES; i++) if (block[i] !== 0) return false;
  return true;
}
