/** Headers of the archives that tsrun writes: regular files with short names, owned by root. pax(1), "ustar interchange format". */
import { BLOCK_BYTES } from './header.ts';

const MAX_NAME_BYTES = 100;
const FILE_MODE = 0o644;
/** Where a size no longer fits into eleven octal digits; GNU tar's base-256 form follows. */
const OCTAL_LIMIT = 8 ** 11;

/** The header of a file of `size` bytes; its data follows, and {@link tarPadding}. */
export function tarHeader(name: string, size: number): Buffer {
  const bytes = Buffer.from(name);
  if (bytes.length > MAX_NAME_BYTES) throw new RangeError(`a file name of ${bytes.length} bytes`);
  const block = Buffer.alloc(BLOCK_BYTES);
  bytes.copy(block);
  octal(block, 100, 8, FILE_MODE);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  if (size < OCTAL_LIMIT) octal(block, 124, 12, size);
  else base256(block, 124, 12, size);
  octal(block, 136, 12, 0);
  block.write('0', 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** What fills the last block of a file. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** The end of an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

function octal(block: Buffer, at: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
}

function base256(block: Buffer, at: number, length: number, value: number): void {
  block.writeBigUInt64BE(BigInt(value), at + length - 8);
  block[at] = 0x80;
}
