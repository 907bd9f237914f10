/** Random numbers that are the same in every run: a failure of a random test can be looked at again. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  int(below: number): number;
  pick<T>(list: readonly T[]): T;
  /** Any unsigned 64-bit number; small ones, powers of two and the largest are as likely as the others. */
  u64(): bigint;
}

/** mulberry32 */
export function random(seed: number): Random {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  const int = (below: number) => Math.floor((next() / 2 ** 32) * below);
  return {
    int,
    pick: (list) => list[int(list.length)] as (typeof list)[number],
    u64: () => {
      const any = (BigInt(next()) << 32n) | BigInt(next());
      return [any, BigInt(int(256)), 1n << BigInt(int(64)), (1n << 64n) - 1n - BigInt(int(3))][int(4)] ?? any;
    },
  };
}
