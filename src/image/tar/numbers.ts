/** Numbers in tar headers: octal text, or big-endian base-256 (GNU, star), and decimal text in PAX records. */
import { type ByteString, byteString } from './bytes.ts';
import { tarError } from './error.ts';

/** The number in `length` bytes at `at`. `field` names it in errors. An empty field is 0, as everywhere. */
export function headerNumber(block: Buffer, at: number, length: number, field: string): number {
  const first = block[at] as number;
  if (first & 0x80) return base256(block, at, length, field);
  let start = at;
  let end = at;
  while (start < at + length && block[start] === 0x20) start++;
  end = start;
  let value = 0;
  for (; end < at + length; end++) {
    const digit = (block[end] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (let i = end; i < at + length; i++) {
    const byte = block[i];
    if (byte !== 0 && byte !== 0x20) {
      throw tarError(
        `the ${field} ${JSON.stringify(byteString(block, at, at + length))} is not an octal number`,
      );
    }
  }
  return value;
}

/** The top bit marks the form; the next is the sign, in two's complement over the whole field. */
function base256(block: Buffer, at: number, length: number, field: string): number {
  let value = BigInt((block[at] as number) & 0x7f);
  for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i] as number);
  const signed = BigInt.asIntN(length * 8 - 1, value);
  return safe(signed, field);
}

/** An integer written in decimal: PAX `size`, `uid`, `gid`. */
export function decimalNumber(text: ByteString, field: string): number {
  if (!/^-?[0-9]{1,30}$/.test(text))
    throw tarError(`the ${field} ${JSON.stringify(text)} is not a decimal number`);
  return safe(BigInt(text), field);
}

export interface Timestamp {
  /** Since 1970, negative before. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A PAX time: decimal seconds with a fraction, rounded down to nanoseconds. */
export function decimalTime(text: ByteString, field: string): Timestamp {
  const match = /^(-?)([0-9]{1,20})(?:\.([0-9]*))?$/.exec(text);
  if (!match) throw tarError(`the ${field} ${JSON.stringify(text)} is not a time in seconds`);
  const [, sign, whole = '', fraction = ''] = match;
  const seconds = safe(BigInt(whole), field);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

function safe(value: bigint, field: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw tarError(`the ${field} ${value} is out of range`);
  return number;
}
