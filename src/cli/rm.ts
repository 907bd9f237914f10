/** `tsrun rm`: remove containers that do not run. */
import { findContainer, sweep } from '../engine/container-store.ts';
import { stopAndRemove } from '../engine/stop-and-remove.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  force: { short: 'f', type: 'switch', help: 'kill a running one first; a missing one is no error' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'rm' };

export const verb: Verb = {
  synopsis: 'rm [flags] CONTAINER...',
  summary: 'Remove containers',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  sweep(paths);
  return forEach(rest, async (name) => {
    await stopAndRemove(paths, findContainer(paths, name), flags.force);
    process.stdout.write(`${name}\n`);
  });
}
