/**
 * Calls of methods on D-Bus as data, so that one call can be sent, printed and explained. D-Bus Specification, "Type
 * System" and "Message Protocol". What is called is said by the modules that make the calls: cgroup/systemd.ts.
 */

/** The pid of the container's first process, known only when the plan runs. One in a request, where its signature has `u`. */
export const CHILD_PID = Symbol('pid of the child');

/** A value with its type. */
export interface Variant {
  readonly signature: string;
  readonly value: DbusValue;
}

/** Lists are arrays (`a…`) and structures (`(…)`). */
export type DbusValue =
  | boolean
  | number
  | bigint
  | string
  | typeof CHILD_PID
  | Variant
  | readonly DbusValue[];

export interface DbusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** The types of the arguments, one after the other. */
  readonly signature: string;
  readonly body: readonly DbusValue[];
}

export type DbusRequest = readonly DbusCall[];

export interface EncodedCalls {
  readonly bytes: Buffer;
  /** Where in `bytes` the pid of the child has to be written. */
  readonly pidAt?: number;
}

/** Before the messages of an encoded request: where the pid goes (0: nowhere), and 4 bytes of padding. */
export const DBUS_PREFIX_SIZE = 8;

const METHOD_CALL = 1;
const PROTOCOL_VERSION = 1;
/** The header fields of a call: code, type, and what is written there. */
const HEADER_FIELDS = [
  [1, 'o', (call: DbusCall) => call.path],
  [2, 's', (call: DbusCall) => call.interface],
  [3, 's', (call: DbusCall) => call.member],
  [6, 's', (call: DbusCall) => call.destination],
  [8, 'g', (call: DbusCall) => call.signature],
] as const;

/** All messages in one buffer, one right after the other; the serial number of each is its place, counted from 1. */
export function encodeCalls(calls: DbusRequest): EncodedCalls {
  const messages: Buffer[] = [];
  let length = 0;
  let pidAt: number | undefined;
  for (const [i, call] of calls.entries()) {
    const body = new Writer();
    const types = splitTypes(call.signature);
    if (types.length !== call.body.length) throw new Error(`${call.member} has not the arguments it says`);
    types.forEach((type, n) => {
      body.value(type, call.body[n]);
    });
    const header = encodeHeader(call, i + 1, body.length);
    if (body.pidAt !== undefined) {
      if (pidAt !== undefined) throw new Error('a request can name the pid of the child once');
      pidAt = length + header.length + body.pidAt;
    }
    messages.push(header, body.finish());
    length += header.length + body.length;
  }
  const bytes = Buffer.concat(messages);
  return pidAt === undefined ? { bytes } : { bytes, pidAt };
}

/** Ends on a multiple of 8, where the body begins. */
function encodeHeader(call: DbusCall, serial: number, bodyLength: number): Buffer {
  const header = new Writer();
  for (const byte of [0x6c, METHOD_CALL, 0, PROTOCOL_VERSION]) header.value('y', byte);
  header.value('u', bodyLength);
  header.value('u', serial);
  const fields = HEADER_FIELDS.map(([code, type, of]) => [code, { signature: type, value: of(call) }]);
  header.value('a(yv)', call.signature === '' ? fields.slice(0, -1) : fields);
  header.align(8);
  return header.finish();
}

/** Numbers of a fixed size: bytes, and how they are written (little-endian, which the `l` at the front says). */
const NUMBERS: Readonly<Record<string, readonly [size: number, write: (at: Buffer, n: bigint) => number]>> = {
  y: [1, (at, n) => at.writeUInt8(Number(n))],
  n: [2, (at, n) => at.writeInt16LE(Number(n))],
  q: [2, (at, n) => at.writeUInt16LE(Number(n))],
  i: [4, (at, n) => at.writeInt32LE(Number(n))],
  u: [4, (at, n) => at.writeUInt32LE(Number(n))],
  x: [8, (at, n) => at.writeBigInt64LE(n)],
  t: [8, (at, n) => at.writeBigUInt64LE(n)],
};

class Writer {
  #parts: Buffer[] = [];
  length = 0;
  pidAt: number | undefined;

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  align(size: number): void {
    this.#raw(Buffer.alloc(-this.length & (size - 1)));
  }

  value(type: string, value: DbusValue | undefined): void {
    const number = NUMBERS[type];
    if (number !== undefined && (typeof value === 'number' || typeof value === 'bigint'))
      this.#number(number, BigInt(value));
    else if (type === 'u' && value === CHILD_PID) this.#pid();
    else if (type === 'b' && typeof value === 'boolean') this.value('u', value ? 1 : 0);
    else if ((type === 's' || type === 'o') && typeof value === 'string') this.#text('u', value);
    else if (type === 'g' && typeof value === 'string') this.#text('y', value);
    else if (type === 'v' && isVariant(value)) this.#variant(value);
    else if (type.startsWith('(') && Array.isArray(value))
      this.#structure(splitTypes(type.slice(1, -1)), value);
    else if (type.startsWith('a') && Array.isArray(value)) this.#array(type.slice(1), value);
    else throw new Error(`${String(value)} is no value of D-Bus's type ${type}`);
  }

  #pid(): void {
    this.value('u', 0);
    this.pidAt = this.length - 4;
  }

  /** Behind its length, and with a NUL that the length leaves out. */
  #text(lengthType: 'u' | 'y', text: string): void {
    if (text.includes('\0')) throw new Error(`${JSON.stringify(text)} holds a NUL byte`);
    const bytes = Buffer.from(`${text}\0`);
    this.value(lengthType, bytes.length - 1);
    this.#raw(bytes);
  }

  #variant({ signature, value }: Variant): void {
    this.value('g', signature);
    this.value(signature, value);
  }

  #structure(types: readonly string[], values: readonly DbusValue[]): void {
    if (types.length !== values.length)
      throw new Error(`a structure of ${types.length} has ${values.length} values`);
    this.align(8);
    types.forEach((type, i) => {
      this.value(type, values[i]);
    });
  }

  /** The length leaves out the padding before the first element, which is there in an empty array too. */
  #array(type: string, values: readonly DbusValue[]): void {
    const length = Buffer.alloc(4);
    this.align(4);
    this.#raw(length);
    this.align(alignmentOf(type));
    const start = this.length;
    for (const value of values) this.value(type, value);
    length.writeUInt32LE(this.length - start);
  }

  #number([size, write]: (typeof NUMBERS)[string], value: bigint): void {
    this.align(size);
    const bytes = Buffer.alloc(size);
    write(bytes, value);
    this.#raw(bytes);
  }

  #raw(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.length += bytes.length;
  }
}

function alignmentOf(type: string): number {
  const [first = ''] = type;
  if (first === '(') return 8;
  if (first === 'g' || first === 'v') return 1;
  return NUMBERS[first]?.[0] ?? 4;
}

/** A signature as the complete types it consists of: `sa(sv)u` → `s`, `a(sv)`, `u`. */
export function splitTypes(signature: string): readonly string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, start: number): number {
  const first = signature[start] ?? '';
  if (first === 'a') return endOfType(signature, start + 1);
  if (first === '(') {
    let at = start + 1;
    while (signature[at] !== ')') at = endOfType(signature, at);
    return at + 1;
  }
  if (!/^[ynqiuxtbsogv]$/.test(first)) throw new Error(`${signature} is no signature of D-Bus`);
  return start + 1;
}

export function isVariant(value: unknown): value is Variant {
  return typeof value === 'object' && value !== null && 'signature' in value;
}

/** One line a call: `StartTransientUnit("x.scope", "fail", [["Delegate", true]], [])`. */
export function describeCall({ member, body }: DbusCall): string {
  return `${member}(${body.map(describeValue).join(', ')})`;
}

function describeValue(value: DbusValue): string {
  if (value === CHILD_PID) return 'child';
  if (isVariant(value)) return describeValue(value.value);
  if (Array.isArray(value)) return `[${value.map(describeValue).join(', ')}]`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
