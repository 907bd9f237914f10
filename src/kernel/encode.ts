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
import { type FIELD_KINDS, flattenPlan, OPS, type Op, type Plan, TOLERABLE, WHO } from './ops.ts';

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
export const NO_FD = 0xffffffffn;

export function encodePlan(plan: Plan): Buffer {
  const entries = flattenPlan(plan);
  const fds = new FdNumbers();
  const data = new DataArea(HEADER_SIZE + entries.length * RECORD_SIZE);
  const records = Buffer.alloc(entries.length * RECORD_SIZE);

  entries.forEach(({ op, group }, index) => {
    const { code, fields } = OPS[op.op];
    const base = index * RECORD_SIZE;
    records.writeUInt16LE(code, base);
    records.writeUInt16LE(WHO[group.who], base + 2);
    records.writeUInt32LE(tolerateBits(op), base + 4);
    Object.entries(fields).forEach(([name, kind], position) => {
      const value = (op as unknown as Record<string, unknown>)[name];
      records.writeBigUInt64LE(encodeField(kind, value, fds, data), base + 16 + position * 8);
    });
  });

  const reporter = data.strings(plan.reporter);
  const terminal = plan.monitor.terminal === undefined ? NO_FD : BigInt(fds.number(plan.monitor.terminal));
  const fdNames = data.strings(fds.names);
  const total = data.end;
  if (total > MAX_PLAN_BYTES) {
    throw new TsrunError('PLAN_TOO_LARGE', `Cannot start the container: its plan takes ${total} bytes`, {
      hint: `arguments, environment and mounts must fit into ${MAX_PLAN_BYTES} bytes`,
    });
  }
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(PLAN_MAGIC, 0);
  header.writeUInt32LE(PLAN_VERSION, 4);
  header.writeUInt32LE(total, 8);
  header.writeUInt32LE(entries.length, 12);
  header.writeBigUInt64LE(reporter, 16);
  header.writeUInt32LE(Number(terminal), 24);
  header.writeUInt32LE(plan.monitor.interactive ? 1 : 0, 28);
  header.writeBigUInt64LE(fdNames, 32);
  return Buffer.concat([header, records, data.bytes()], total);
}

function tolerateBits(op: Op): number {
  return (op.tolerate ?? []).reduce((bits, name) => bits | TOLERABLE[name], 0);
}

function encodeField(kind: keyof typeof FIELD_KINDS, value: unknown, fds: FdNumbers, data: DataArea): bigint {
  switch (kind) {
    case 'fd':
    case 'into':
      return BigInt(fds.number(value as string));
    case 'at':
      return value === undefined ? NO_FD : BigInt(fds.number(value as string));
    case 'u64':
      return BigInt.asUintN(64, BigInt(value as number | bigint));
    case 'str':
      return data.string(value as string | Uint8Array);
    case 'bytes':
      return data.run(Buffer.from(value as string | Uint8Array));
    case 'strings':
      return data.strings(value as readonly string[]);
    case 'u32s':
      return data.numbers(value as readonly number[]);
    default:
      return kind satisfies never;
  }
}

/** Gives each descriptor name its number in the executor's table. */
class FdNumbers {
  readonly #numbers = new Map<string, number>();

  get names(): string[] {
    return [...this.#numbers.keys()];
  }

  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const next = this.#numbers.size;
    if (next >= MAX_FDS) throw new Error(`a plan can name ${MAX_FDS} descriptors, ${name} is one too many`);
    this.#numbers.set(name, next);
    return next;
  }
}

/** Collects what records refer to; equal strings are stored once. */
class DataArea {
  readonly #start: number;
  readonly #parts: Buffer[] = [];
  readonly #strings = new Map<string, bigint>();
  #length = 0;

  constructor(start: number) {
    this.#start = start;
  }

  get end(): number {
    return this.#start + this.#length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts, this.#length);
  }

  run(bytes: Buffer): bigint {
    const offset = this.#append(bytes);
    return reference(offset, bytes.length);
  }

  string(text: string | Uint8Array): bigint {
    if (typeof text !== 'string') return this.#terminated(Buffer.from(text));
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const stored = this.#terminated(Buffer.from(text));
    this.#strings.set(text, stored);
    return stored;
  }

  strings(list: readonly string[]): bigint {
    const references = Buffer.alloc(list.length * 8);
    list.forEach((text, i) => {
      references.writeBigUInt64LE(this.string(text), i * 8);
    });
    return reference(this.#append(references), list.length);
  }

  numbers(list: readonly number[]): bigint {
    const bytes = Buffer.alloc(list.length * 4);
    list.forEach((n, i) => {
      bytes.writeUInt32LE(Number(BigInt(n)), i * 4); // BigInt refuses a fraction, which would be cut off
    });
    return reference(this.#append(bytes), list.length);
  }

  #terminated(bytes: Buffer): bigint {
    if (bytes.includes(0)) {
      throw new TsrunError(
        'NUL_IN_TEXT',
        `Cannot pass ${JSON.stringify(bytes.toString())} to the kernel: it holds a NUL byte`,
      );
    }
    return reference(this.#append(Buffer.concat([bytes, Buffer.alloc(1)])), bytes.length);
  }

  #append(bytes: Buffer): number {
    const offset = this.end;
    const padding = (8 - (bytes.length % 8)) % 8;
    this.#parts.push(bytes);
    if (padding > 0) this.#parts.push(Buffer.alloc(padding));
    this.#length += bytes.length + padding;
    return offset;
  }
}

function reference(offset: number, length: number): bigint {
  return (BigInt(offset) << 32n) | BigInt(length);
}
