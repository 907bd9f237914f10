/** Asks before something is removed that was not named. */
import { readSync } from 'node:fs';

/** Whether the answer on standard input begins with a y. */
export function confirm(warning: string): boolean {
  process.stdout.write(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  const answer = Buffer.alloc(256);
  return /^\s*y/i.test(answer.toString('utf8', 0, readSync(0, answer)));
}
