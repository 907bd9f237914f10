/** The reverse of encode.ts, for whoever finds a plan in memory and must say what it was: op names, fields, names of descriptors. */
import { HEADER_SIZE, LEAVES, NO_FD, RECORD_SIZE } from './encode.ts';
import {
  type FIELD_KINDS,
  OPS,
  type Op,
  type OpGroup,
  type OpName,
  type Plan,
  WHO,
  type Who,
} from './ops.ts';

const NAMES = new Map<number, OpName>(Object.entries(OPS).map(([name, { code }]) => [code, name as OpName]));
const WHO_NAMES = new Map<number, Who>(Object.entries(WHO).map(([name, number]) => [number, name as Who]));

/** Titles and reasons are not part of an encoded plan: every op stands in a group of its own, without words. */
export function decodePlan(bytes: Buffer): Plan {
  const reader = new Reader(bytes);
  const count = bytes.readUInt32LE(12);
  const terminal = bytes.readUInt32LE(24);
  const groups = Array.from({ length: count }, (_, i): OpGroup => {
    const base = HEADER_SIZE + i * RECORD_SIZE;
    const who = WHO_NAMES.get(bytes.readUInt16LE(base + 2)) ?? 'host';
    return { who, title: '', ops: [reader.op(base)] };
  });
  return {
    groups,
    monitor: {
      ...(terminal === NO_FD ? {} : { terminal: reader.fdName(BigInt(terminal)) }),
      interactive: bytes.readUInt32LE(28) === 1,
      ...leaves(bytes.readUInt32LE(40)),
    },
    reporter: reader.strings(bytes.readBigUInt64LE(16)),
  };
}

function leaves(number: number): Pick<Plan['monitor'], 'leaves'> {
  if (number === LEAVES.never) return {};
  return { leaves: number === LEAVES.running ? 'running' : 'waiting' };
}

class Reader {
  readonly #bytes: Buffer;
  readonly #fdNames: readonly string[];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#fdNames = this.strings(bytes.readBigUInt64LE(32));
  }

  op(base: number): Op {
    const name = NAMES.get(this.#bytes.readUInt16LE(base));
    if (name === undefined) throw new Error(`op ${this.#bytes.readUInt16LE(base)} is unknown`);
    const op: Record<string, unknown> = { op: name, why: '' };
    Object.entries(OPS[name].fields).forEach(([field, kind], i) => {
      const value = this.#field(kind, this.#bytes.readBigUInt64LE(base + 16 + i * 8));
      if (value !== undefined) op[field] = value;
    });
    return op as unknown as Op;
  }

  fdName(number: bigint): string {
    return this.#fdNames[Number(number)] ?? `${number}`;
  }

  strings(reference: bigint): string[] {
    const offset = Number(reference >> 32n);
    return Array.from({ length: Number(reference & 0xffffffffn) }, (_, i) =>
      this.#run(this.#bytes.readBigUInt64LE(offset + i * 8)).toString(),
    );
  }

  #field(kind: keyof typeof FIELD_KINDS, value: bigint): unknown {
    switch (kind) {
      case 'fd':
      case 'into':
        return this.fdName(value);
      case 'at':
        return value === BigInt(NO_FD) ? undefined : this.fdName(value);
      case 'u64':
        return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
      case 'str':
        return this.#run(value).toString();
      case 'bytes':
      case 'netlink':
      case 'dbus':
        return this.#run(value);
      case 'strings':
        return this.strings(value);
      case 'u32s':
        return Array.from({ length: Number(value & 0xffffffffn) }, (_, i) =>
          this.#bytes.readUInt32LE(Number(value >> 32n) + i * 4),
        );
      default:
        return kind satisfies never;
    }
  }

  #run(reference: bigint): Buffer {
    const offset = Number(reference >> 32n);
    return this.#bytes.subarray(offset, offset + Number(reference & 0xffffffffn));
  }
}
