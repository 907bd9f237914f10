/**
 * A strict tar reader that is fed chunks: it reports entries and their data to a sink, keeps names as bytes, and
 * holds no more than one header and one PAX block in memory. Reasons for not taking a library: docs/decisions/unpack.md.
 */
import { type ByteString, byteString } from './bytes.ts';
import { tarError } from './error.ts';
import { BLOCK_BYTES, isZeroBlock, TarHeader } from './header.ts';
import { decimalNumber, decimalTime, type Timestamp } from './numbers.ts';
import { type PaxRecords, parsePaxRecords } from './pax.ts';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'link' | 'char' | 'block' | 'fifo';

export interface TarEntry {
  readonly name: ByteString;
  readonly type: TarEntryType;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow; 0 for everything but files. */
  readonly size: number;
  readonly mtime: Timestamp;
  /** Target of a link or symlink. */
  readonly link: ByteString;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
  /** Where the data starts in the stream. */
  readonly dataOffset: number;
}

export interface TarSink {
  entry(entry: TarEntry): void;
  /** A piece of the last entry's data, valid only during the call. */
  data(bytes: Buffer): void;
}

const ENTRY_TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file', // "contiguous", which no system has
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};
/** Blocks about the next entry: PAX, PAX for the whole archive (read past), GNU long name, GNU long link. */
const META_TYPES = new Set(['x', 'g', 'L', 'K']);
const MAX_META_BYTES = 1024 * 1024;
const MAX_SIZE_BYTES = 2 ** 50;
/** uid_t and gid_t; the highest value means "no change" to chown(2) and can be nobody's. */
const MAX_ID = 2 ** 32 - 2;
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;
const NO_XATTRS: ReadonlyMap<ByteString, Buffer> = new Map();

interface PendingMeta {
  pax?: PaxRecords;
  longName?: ByteString;
  longLink?: ByteString;
}

export class TarReader {
  readonly #sink: TarSink;
  readonly #partial = Buffer.alloc(BLOCK_BYTES);
  #partialLength = 0;
  #position = 0;
  /** Data bytes of the current entry to come, then padding. */
  #bodyLeft = 0;
  #paddingLeft = 0;
  #meta: { readonly type: string; readonly bytes: Buffer; filled: number } | undefined;
  #pending: PendingMeta = {};
  #ended = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** Reads on. Throws TAR_INVALID, and whatever the sink throws. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const before = at;
      if (this.#ended) at = chunk.length;
      else if (this.#bodyLeft > 0) at = this.#body(chunk, at);
      else if (this.#paddingLeft > 0) {
        const n = Math.min(this.#paddingLeft, chunk.length - at);
        this.#paddingLeft -= n;
        at += n;
      } else at = this.#headerBlock(chunk, at);
      this.#position += at - before;
    }
  }

  /** Says that the stream is at its end. Throws when an entry is not complete. */
  end(): void {
    if (this.#bodyLeft > 0 || this.#partialLength > 0 || this.#paddingLeft > 0)
      throw tarError('it is cut off');
    if (!this.#ended && (this.#pending.pax || this.#pending.longName || this.#pending.longLink)) {
      throw tarError('it is cut off after an extended header');
    }
  }

  /** Bytes to the next header when an entry's data is not wanted; a caller that can seek skips them. */
  skipBody(): number {
    if (this.#meta) return 0;
    const skipped = this.#bodyLeft + this.#paddingLeft;
    this.#bodyLeft = this.#paddingLeft = 0;
    this.#position += skipped;
    return skipped;
  }

  /** True once the end-of-archive block has been read. */
  get ended(): boolean {
    return this.#ended;
  }

  #body(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#bodyLeft);
    this.#bodyLeft -= end - at;
    if (this.#meta) {
      chunk.copy(this.#meta.bytes, this.#meta.filled, at, end);
      this.#meta.filled += end - at;
      if (this.#bodyLeft === 0) this.#metaComplete(this.#meta.type, this.#meta.bytes);
    } else {
      this.#sink.data(chunk.subarray(at, end));
    }
    return end;
  }

  #headerBlock(chunk: Buffer, at: number): number {
    const n = Math.min(BLOCK_BYTES - this.#partialLength, chunk.length - at);
    if (n === BLOCK_BYTES) {
      this.#header(chunk.subarray(at, at + BLOCK_BYTES), this.#position + BLOCK_BYTES);
      return at + n;
    }
    chunk.copy(this.#partial, this.#partialLength, at, at + n);
    this.#partialLength += n;
    if (this.#partialLength === BLOCK_BYTES) {
      this.#partialLength = 0;
      this.#header(this.#partial, this.#position + n);
    }
    return at + n;
  }

  #header(block: Buffer, dataOffset: number): void {
    if (block[0] === 0 && isZeroBlock(block)) {
      this.#ended = true;
      return;
    }
    const header = new TarHeader(block);
    if (META_TYPES.has(header.type)) {
      const size = header.number('size');
      if (size < 0 || size > MAX_META_BYTES)
        throw tarError(`an extended header has ${size} bytes (limit ${MAX_META_BYTES})`);
      this.#expectBody(size);
      if (size === 0) this.#metaComplete(header.type, Buffer.alloc(0));
      else this.#meta = { type: header.type, bytes: Buffer.alloc(size), filled: 0 };
      return;
    }
    const entry = readEntry(header, this.#pending, dataOffset);
    this.#pending = {};
    this.#expectBody(entry.size);
    this.#sink.entry(entry);
  }

  #expectBody(size: number): void {
    this.#bodyLeft = size;
    this.#paddingLeft = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  }

  #metaComplete(type: string, bytes: Buffer): void {
    this.#meta = undefined;
    if (type === 'x') this.#pending.pax = parsePaxRecords(bytes);
    else if (type === 'L') this.#pending.longName = gnuLongText(bytes);
    else if (type === 'K') this.#pending.longLink = gnuLongText(bytes);
    else parsePaxRecords(bytes); // for the whole archive: checked, and not used by layers
  }
}

/** GNU writes the text with a closing NUL. */
function gnuLongText(bytes: Buffer): ByteString {
  const nul = bytes.indexOf(0);
  return byteString(bytes, 0, nul < 0 ? bytes.length : nul);
}

function readEntry(header: TarHeader, meta: PendingMeta, dataOffset: number): TarEntry {
  const pax = (key: string): ByteString | undefined => meta.pax?.values.get(key as ByteString) || undefined;
  const name = pax('path') ?? meta.longName ?? header.name();
  const link = pax('linkpath') ?? meta.longLink ?? header.link();
  const type = entryType(header.type, name);
  if (name.includes('\0') || link.includes('\0')) throw tarError('a name has a NUL byte in it');
  const numeric = (key: 'size' | 'uid' | 'gid'): number => {
    const text = pax(key);
    return text === undefined ? header.number(key) : decimalNumber(text, key);
  };
  const mtime = pax('mtime');
  const isDevice = type === 'char' || type === 'block';
  return {
    name,
    type,
    mode: header.number('mode') & 0o7777,
    uid: inRange(numeric('uid'), MAX_ID, 'uid'),
    gid: inRange(numeric('gid'), MAX_ID, 'gid'),
    size: type === 'file' ? inRange(numeric('size'), MAX_SIZE_BYTES, 'size') : 0,
    mtime:
      mtime === undefined ? { seconds: header.number('mtime'), nanoseconds: 0 } : decimalTime(mtime, 'mtime'),
    link,
    major: isDevice ? inRange(header.number('devmajor'), MAX_MAJOR, 'device major') : 0,
    minor: isDevice ? inRange(header.number('devminor'), MAX_MINOR, 'device minor') : 0,
    xattrs: meta.pax?.xattrs ?? NO_XATTRS,
    dataOffset,
  };
}

/** Before ustar a directory was a file whose name ends with a slash. */
function entryType(flag: string, name: ByteString): TarEntryType {
  const type = ENTRY_TYPES[flag];
  if (type === undefined || !Object.hasOwn(ENTRY_TYPES, flag)) {
    throw tarError(
      flag === 'S'
        ? 'sparse files are not supported'
        : `it has an entry of unknown type ${JSON.stringify(flag)}`,
    );
  }
  return type === 'file' && flag !== '7' && name.endsWith('/') ? 'directory' : type;
}

function inRange(value: number, max: number, field: string): number {
  if (value < 0 || value > max) throw tarError(`the ${field} ${value} is out of range`);
  return value;
}
