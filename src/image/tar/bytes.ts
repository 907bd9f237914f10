/**
 * File names in tar archives are bytes, in no known encoding. A ByteString holds one byte in each character (what
 * Node calls latin1), so names stay exact and still work as keys of a Map and with the usual string functions.
 */
import { escapeForTerminal } from '../../lib/errors.ts';

declare const brand: unique symbol;
export type ByteString = string & { readonly [brand]: 'ByteString' };

export function byteString(bytes: Buffer, start = 0, end = bytes.length): ByteString {
  return bytes.toString('latin1', start, end) as ByteString;
}

export function toBytes(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The UTF-8 bytes of an ordinary string. */
export function fromText(text: string): ByteString {
  return byteString(Buffer.from(text));
}

/** For lists: as UTF-8 where it is, with control bytes visible. */
export function shownName(name: ByteString): string {
  return escapeForTerminal(toBytes(name).toString('utf8'));
}

/** For messages: the same in quotes. */
export function printable(name: ByteString): string {
  return JSON.stringify(shownName(name));
}
