/**
 * Plan → one flat, position-independent buffer that the executor can map and run as it is:
 *
 *     header (64 bytes) | op records (80 bytes each) | data: strings, byte runs, lists
 *
 * A field that does not fit into 64 bits is a reference: offset from the start of the buffer in the upper half,
 * length in bytes (or count) in the lower half. Strings are followed by a NUL that the length leaves out. A list
 * of strings is an array of such references. Everything is little endian and aligned to 8 bytes.
 */
import { TsrunError } from '../lib/errors.ts';
import { DBUS_PREFIX_SIZE, type DbusRequest, encodeCalls } from './dbus.ts';
import { encodeRequest, type NetlinkRequest, REQUEST_PREFIX_SIZE } from './netlink.ts';
import {
  type FdName,
  type FIELD_KINDS,
  flattenPlan,
  OPS,
  type Op,
  type Plan,
  TOLERABLE,
  type Tolerable,
  WHO,
} from './ops.ts';

type FieldKind = keyof typeof FIELD_KINDS;

export const PLAN_MAGIC = 0x4e505354; // "TSPN"
export const PLAN_VERSION = 1;
export const HEADER_SIZE = 64;
export const RECORD_SIZE = 80;
export const MAX_FIELDS = 8;
/** Descriptors a plan can name. */
export const MAX_FDS = 128;
/** Bytes of an encoded plan; the kernel takes no more for argv and envp either. */
export const MAX_PLAN_BYTES = 8 * 1024 * 1024;
/** A descriptor field that was left out: the current directory, or none. */
export const NO_FD = 0xffffffff;

/** When the helper leaves the container to itself. */
export const LEAVES = { never: 0, running: 1, waiting: 2 } as const;

export function encodePlan(plan: Plan): Buffer {
  const entries = flattenPlan(plan);
  const out = new PlanBuffer(HEADER_SIZE + entries.length * RECORD_SIZE);
  let at = HEADER_SIZE;
  for (const { op, group } of entries) {
    encodeOp(out, at, op, WHO[group.who]);
    at += RECORD_SIZE;
  }
  const terminal = plan.monitor.terminal === undefined ? NO_FD : out.fdNumber(plan.monitor.terminal);
  out.setStrings(16, plan.reporter);
  out.setWord(24, terminal);
  out.setWord(28, plan.monitor.interactive ? 1 : 0);
  out.setWord(40, LEAVES[plan.monitor.leaves ?? 'never']);
  out.setStrings(32, out.fdNames());
  out.setWord(0, PLAN_MAGIC);
  out.setWord(4, PLAN_VERSION);
  out.setWord(8, out.size);
  out.setWord(12, entries.length);
  return out.finish();
}

function encodeOp(out: PlanBuffer, at: number, op: Op, who: number): void {
  const { code, fields } = OPS[op.op];
  out.setWord(at, code | (who << 16));
  out.setWord(at + 4, op.tolerate === undefined ? 0 : tolerateBits(op.tolerate));
  let position = at + 16;
  for (const name in fields) {
    const value = (op as unknown as Record<string, unknown>)[name];
    encodeField(out, position, (fields as Record<string, FieldKind>)[name] as FieldKind, value);
    position += 8;
  }
}

function tolerateBits(names: readonly Tolerable[]): number {
  return names.reduce((bits, name) => bits | TOLERABLE[name], 0);
}

function encodeField(out: PlanBuffer, at: number, kind: FieldKind, value: unknown): void {
  switch (kind) {
    case 'fd':
    case 'into':
      out.setWord(at, out.fdNumber(value as FdName));
      break;
    case 'at':
      out.setWord(at, value === undefined ? NO_FD : out.fdNumber(value as FdName));
      break;
    case 'u64':
      out.setNumber(at, value as number | bigint);
      break;
    case 'str':
      out.setString(at, value as string | Uint8Array);
      break;
    case 'bytes':
      out.setBytes(at, Buffer.from(value as string | Uint8Array));
      break;
    case 'strings':
      out.setStrings(at, value as readonly string[]);
      break;
    case 'u32s':
      out.setNumbers(at, value as readonly number[]);
      break;
    case 'netlink':
      out.setBytes(at, storedRequest(out, value as NetlinkRequest | Uint8Array));
      break;
    case 'dbus':
      out.setBytes(at, storedCalls(value as DbusRequest | Uint8Array));
      break;
    default:
      kind satisfies never;
  }
}

/** The messages, and before them where the executor writes the number of a descriptor (0: nowhere), and of which one. */
function storedRequest(out: PlanBuffer, request: NetlinkRequest | Uint8Array): Buffer {
  if (request instanceof Uint8Array) return Buffer.from(request);
  const { bytes, fd } = encodeRequest(request);
  const prefix = Buffer.alloc(REQUEST_PREFIX_SIZE);
  if (fd !== undefined) {
    prefix.writeUInt32LE(fd.at, 0);
    prefix.writeUInt32LE(out.fdNumber(fd.name), 4);
  }
  return Buffer.concat([prefix, bytes]);
}

/** Where a string or a list was put, and its length in bytes or entries. */
interface Stored {
  readonly offset: number;
  readonly length: number;
}

/** The messages, and before them where the executor writes the pid of the child (0: nowhere). */
function storedCalls(request: DbusRequest | Uint8Array): Buffer {
  if (request instanceof Uint8Array) return Buffer.from(request);
  const { bytes, pidAt } = encodeCalls(request);
  const prefix = Buffer.alloc(DBUS_PREFIX_SIZE);
  if (pidAt !== undefined) prefix.writeUInt32LE(pidAt, 0);
  return Buffer.concat([prefix, bytes]);
}

/**
 * The buffer in the making, written in 32-bit words: a plan has a thousand fields, and this runs once in every cold start,
 * where a bigint for each of them costs milliseconds. Equal strings are stored once.
 */
class PlanBuffer {
  #bytes: Buffer;
  #words: Uint32Array;
  #end: number;
  readonly #strings = new Map<string, Stored>();
  readonly #fds = new Map<FdName, number>();

  constructor(end: number) {
    this.#end = end;
    this.#bytes = Buffer.alloc(Math.max(65536, end * 2));
    this.#words = wordsOf(this.#bytes);
  }

  get size(): number {
    return this.#end;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  fdNames(): string[] {
    return [...this.#fds.keys()];
  }

  /** The number of a descriptor's name in the executor's table. */
  fdNumber(name: FdName): number {
    const known = this.#fds.get(name);
    if (known !== undefined) return known;
    const next = this.#fds.size;
    if (next >= MAX_FDS) throw new Error(`a plan can name ${MAX_FDS} descriptors, ${name} is one too many`);
    this.#fds.set(name, next);
    return next;
  }

  setWord(at: number, value: number): void {
    this.#words[at >> 2] = value;
  }

  setNumber(at: number, value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.setWord(at, Number(value & 0xffffffffn));
      this.setWord(at + 4, Number((value >> 32n) & 0xffffffffn));
      return;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no exact whole number`);
    this.setWord(at, value);
    this.setWord(at + 4, Math.floor(value / 2 ** 32));
  }

  setString(at: number, text: string | Uint8Array): void {
    this.#setReference(at, this.#store(text));
  }

  setBytes(at: number, bytes: Buffer): void {
    const offset = this.#reserve(bytes.length);
    bytes.copy(this.#bytes, offset);
    this.#setReference(at, { offset, length: bytes.length });
  }

  setStrings(at: number, list: readonly string[]): void {
    const offset = this.#reserve(list.length * 8);
    list.forEach((text, i) => {
      this.setString(offset + i * 8, text);
    });
    this.#setReference(at, { offset, length: list.length });
  }

  setNumbers(at: number, list: readonly number[]): void {
    const offset = this.#reserve(list.length * 4);
    list.forEach((n, i) => {
      if (n !== n >>> 0) throw new RangeError(`${n} is no 32-bit number`);
      this.setWord(offset + i * 4, n);
    });
    this.#setReference(at, { offset, length: list.length });
  }

  #setReference(at: number, { offset, length }: Stored): void {
    this.setWord(at, length);
    this.setWord(at + 4, offset);
  }

  #store(text: string | Uint8Array): Stored {
    const known = typeof text === 'string' ? this.#strings.get(text) : undefined;
    if (known !== undefined) return known;
    const length = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
    const offset = this.#reserve(length + 1);
    if (typeof text === 'string') this.#bytes.write(text, offset);
    else this.#bytes.set(text, offset);
    const nul = typeof text === 'string' ? text.includes('\0') : text.includes(0);
    if (nul) {
      throw new TsrunError(
        'NUL_IN_TEXT',
        `Cannot pass ${JSON.stringify(text.toString())} to the kernel: it holds a NUL byte`,
      );
    }
    const stored = { offset, length };
    if (typeof text === 'string') this.#strings.set(text, stored);
    return stored;
  }

  /** Room for `size` bytes of zeros, aligned to 8. */
  #reserve(size: number): number {
    const offset = this.#end;
    this.#end += (size + 7) & ~7;
    if (this.#end > MAX_PLAN_BYTES) throw tooLarge();
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.min(MAX_PLAN_BYTES, this.#end * 2));
      this.#bytes.copy(larger);
      this.#bytes = larger;
      this.#words = wordsOf(larger);
    }
    return offset;
  }
}

function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

function tooLarge(): TsrunError {
  return new TsrunError(
    'PLAN_TOO_LARGE',
    `Cannot start the container: its plan takes more than ${MAX_PLAN_BYTES} bytes`,
    { hint: 'shorten its arguments, its environment or its list of mounts' },
  );
}
