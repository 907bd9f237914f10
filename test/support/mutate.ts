/** Random damage to bytes, for fuzzing parsers: the same number gives the same damage. */
import type { Random } from './random.ts';

const INTERESTING = [0, 1, 0x0a, 0x20, 0x2e, 0x2f, 0x30, 0x37, 0x38, 0x3d, 0x7f, 0x80, 0xff];

/** A copy of one of `seeds` with one to eight changes. */
export function mutated(seeds: readonly Buffer[], random: Random): Buffer {
  let bytes = Buffer.from(random.pick(seeds));
  for (let n = 1 + random.int(8); n > 0; n--) bytes = changed(bytes, seeds, random);
  return bytes;
}

function changed(bytes: Buffer, seeds: readonly Buffer[], random: Random): Buffer<ArrayBuffer> {
  const at = random.int(bytes.length + 1);
  const length = 1 + random.int(Math.min(64, bytes.length + 1));
  switch (random.int(7)) {
    case 0:
      return replaced(bytes, at, 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.int(8))]));
    case 1:
      return replaced(bytes, at, 1, Buffer.from([random.pick(INTERESTING)]));
    case 2:
      return replaced(bytes, at, length, Buffer.alloc(length, random.pick(INTERESTING)));
    case 3:
      return replaced(bytes, at, length, Buffer.alloc(0));
    case 4:
      return replaced(bytes, at, 0, bytes.subarray(at, at + length));
    case 5: {
      const other = random.pick(seeds);
      const from = random.int(other.length);
      return replaced(bytes, at, length, other.subarray(from, from + length));
    }
    default: {
      // Whole blocks of a tar, where its structure is.
      const block = 512 * random.int(Math.ceil(bytes.length / 512) + 1);
      const other = random.pick(seeds);
      const from = 512 * random.int(Math.ceil(other.length / 512));
      return replaced(bytes, block, 512 * random.int(2), other.subarray(from, from + 512));
    }
  }
}

function replaced(bytes: Buffer, at: number, length: number, by: Buffer): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + length)]);
}
