/**
 * Encodes records (format.ts) into a buffer and hands full buffers to the writer. Numbers are little-endian, as
 * every machine tsrun runs on is (x86_64, arm64); records start on 8-byte boundaries.
 */
import { type ByteString, toBytes } from '../tar/bytes.ts';
import type { Timestamp } from '../tar/numbers.ts';
import {
  UNPACK_FIELDS,
  UNPACK_FLAGS,
  UNPACK_HEADER_SIZE,
  UNPACK_MAX_BATCH,
  UNPACK_OPS,
  UNPACK_XATTR_HEADER_SIZE,
} from './format.ts';

export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** One action on `name` in the directory `parent`, both below the layer's root. */
export interface UnpackRecord {
  readonly op: keyof typeof UNPACK_OPS;
  readonly parent: ByteString;
  readonly name: ByteString;
  readonly directory?: boolean;
  readonly attributes?: Attributes;
  readonly target?: ByteString;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly lower?: number;
}

const EMPTY = '' as ByteString;
const NO_XATTRS = Buffer.alloc(0);
/** Large enough that a call per batch costs nothing, small enough to stay in the processor's cache. */
const BATCH_BYTES = 256 * 1024;
/** Less room than this for a file's data is not worth a record of its own. */
const MIN_DATA_BYTES = 4096;

export class RecordWriter {
  readonly #submit: (batch: Uint8Array) => void;
  readonly #buffer = Buffer.alloc(BATCH_BYTES);
  readonly #words = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  #used = 0;
  /** Start of the record begun last in the buffer; -1 when it went out in a buffer of its own. */
  #record = -1;

  /** `submit` gets full batches; it must copy what it keeps. */
  constructor(submit: (batch: Uint8Array) => void) {
    this.#submit = submit;
  }

  put(record: UnpackRecord): void {
    this.#start(record);
    this.#close();
  }

  /** Starts a regular file, whose content comes by {@link append} and ends with {@link endFile}. */
  beginFile(record: UnpackRecord): void {
    this.#start(record);
    if (this.#record < 0) this.#continueFile();
  }

  append(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      const room = this.#buffer.length - this.#used - 8;
      if (room < MIN_DATA_BYTES && room < data.length - at) {
        this.#flushOpenFile();
        continue;
      }
      const n = Math.min(room, data.length - at);
      data.copy(this.#buffer, this.#used, at, at + n);
      this.#used += n;
      at += n;
    }
  }

  endFile(): void {
    this.#close();
  }

  flush(): void {
    if (this.#used === 0) return;
    this.#submit(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  /** The data so far goes out, and the rest follows in a `data` record. */
  #flushOpenFile(): void {
    this.#words.setUint16(this.#record + UNPACK_FIELDS.flags, UNPACK_FLAGS.more, true);
    this.#close();
    this.flush();
    this.#continueFile();
  }

  #continueFile(): void {
    this.#start({ op: 'data', parent: EMPTY, name: EMPTY });
  }

  /** Writes everything but the data. */
  #start(record: UnpackRecord): void {
    const xattrs = encodeXattrs(record.attributes?.xattrs);
    const target = record.target;
    const fixed =
      UNPACK_HEADER_SIZE +
      record.parent.length +
      record.name.length +
      2 +
      (target === undefined ? 0 : target.length + 1);
    const size = fixed + xattrs.length;
    if (size + 16 > this.#buffer.length - this.#used) this.flush();
    if (size + 16 > this.#buffer.length) {
      this.#startAlone(record, xattrs, size);
      return;
    }
    this.#record = this.#used;
    this.#used += encodeHead(this.#buffer, this.#words, this.#record, record, xattrs);
  }

  /** Extended attributes can be larger than a batch: such a record gets a buffer of its own. */
  #startAlone(record: UnpackRecord, xattrs: Buffer, size: number): void {
    const padded = Math.ceil(size / 8) * 8;
    if (padded > UNPACK_MAX_BATCH) throw new RangeError(`a record of ${padded} bytes`);
    const alone = Buffer.alloc(padded);
    const words = new DataView(alone.buffer, alone.byteOffset, padded);
    encodeHead(alone, words, 0, record, xattrs);
    words.setUint32(UNPACK_FIELDS.length, padded, true);
    if (record.op === 'file') words.setUint16(UNPACK_FIELDS.flags, UNPACK_FLAGS.more, true);
    this.#submit(alone);
    this.#record = -1;
  }

  /** Sets the lengths of the record begun last, and pads it. */
  #close(): void {
    const at = this.#record;
    if (at < 0) return;
    const words = this.#words;
    const head =
      UNPACK_HEADER_SIZE +
      words.getUint32(at + UNPACK_FIELDS.parentLen, true) +
      words.getUint32(at + UNPACK_FIELDS.nameLen, true) +
      words.getUint32(at + UNPACK_FIELDS.targetLen, true) +
      words.getUint32(at + UNPACK_FIELDS.xattrsLen, true);
    words.setUint32(at + UNPACK_FIELDS.dataLen, this.#used - at - head, true);
    const end = Math.ceil(this.#used / 8) * 8;
    this.#buffer.fill(0, this.#used, end);
    this.#used = end;
    words.setUint32(at + UNPACK_FIELDS.length, end - at, true);
  }
}

/** Returns the length of the head: fixed part, names, target and extended attributes. */
function encodeHead(
  buffer: Buffer,
  words: DataView,
  at: number,
  record: UnpackRecord,
  xattrs: Buffer,
): number {
  const { op, parent, name, target, attributes, device } = record;
  buffer.fill(0, at, at + UNPACK_HEADER_SIZE);
  words.setUint16(at + UNPACK_FIELDS.op, UNPACK_OPS[op], true);
  if (record.directory) words.setUint16(at + UNPACK_FIELDS.flags, UNPACK_FLAGS.directory, true);
  if (attributes) {
    words.setUint32(at + UNPACK_FIELDS.mode, attributes.mode, true);
    words.setUint32(at + UNPACK_FIELDS.uid, attributes.uid, true);
    words.setUint32(at + UNPACK_FIELDS.gid, attributes.gid, true);
    words.setUint32(at + UNPACK_FIELDS.mtimeNs, attributes.mtime.nanoseconds, true);
    words.setUint32(at + UNPACK_FIELDS.mtimeS, attributes.mtime.seconds >>> 0, true);
    words.setInt32(at + UNPACK_FIELDS.mtimeS + 4, Math.floor(attributes.mtime.seconds / 2 ** 32), true);
  }
  if (device) {
    words.setUint32(at + UNPACK_FIELDS.major, device.major, true);
    words.setUint32(at + UNPACK_FIELDS.minor, device.minor, true);
  }
  words.setInt32(at + UNPACK_FIELDS.lower, record.lower ?? -1, true);
  let end = at + UNPACK_HEADER_SIZE;
  const text = (value: ByteString, field: number): void => {
    buffer.write(value, end, 'latin1');
    end += value.length;
    buffer[end++] = 0;
    words.setUint32(at + field, value.length + 1, true);
  };
  text(parent, UNPACK_FIELDS.parentLen);
  text(name, UNPACK_FIELDS.nameLen);
  if (target !== undefined) text(target, UNPACK_FIELDS.targetLen);
  words.setUint32(at + UNPACK_FIELDS.xattrsLen, xattrs.length, true);
  xattrs.copy(buffer, end);
  return end + xattrs.length - at;
}

function encodeXattrs(xattrs: ReadonlyMap<ByteString, Buffer> | undefined): Buffer {
  if (xattrs === undefined || xattrs.size === 0) return NO_XATTRS;
  return Buffer.concat(
    [...xattrs].flatMap(([name, value]) => {
      const head = Buffer.alloc(UNPACK_XATTR_HEADER_SIZE);
      head.writeUInt32LE(name.length + 1, 0);
      head.writeUInt32LE(value.length, 4);
      return [head, toBytes(name), Buffer.from([0]), value];
    }),
  );
}
