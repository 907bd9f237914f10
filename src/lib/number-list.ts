/** Lists such as `0-3,7`, as the kernel and people write processors and memory nodes. */
import { escapeForTerminal, TsrunError } from './errors.ts';

/** Above what any kernel is built for (CONFIG_NR_CPUS, MAX_NUMNODES). */
const MAX_NUMBER = 8191;

/** A bit for each number of `list`, the lowest first, in words of 64 bits. `what` names the list in errors. Throws `BAD_LIST`. */
export function bitmaskOfList(list: string, what: string): Uint8Array {
  const ranges = list
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [, first = '', last = first] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
      if (first === '' || Number(last) < Number(first) || Number(last) > MAX_NUMBER)
        throw new TsrunError(
          'BAD_LIST',
          `Cannot read ${what} ${JSON.stringify(escapeForTerminal(list))}: ${JSON.stringify(escapeForTerminal(part))} is no number or range`,
          { hint: 'write a list such as 0-3,7' },
        );
      return [Number(first), Number(last)] as const;
    });
  const highest = Math.max(-1, ...ranges.map(([, last]) => last));
  const mask = new Uint8Array(Math.ceil((highest + 1) / 64) * 8);
  for (const [first, last] of ranges)
    for (let bit = first; bit <= last; bit++) mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (1 << (bit & 7));
  return mask;
}
