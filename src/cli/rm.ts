/** `tsrun rm`: remove containers that do not run. */
import { type Container, findContainer, sweep } from '../engine/container-store.ts';
import type { EnginePaths } from '../engine/paths.ts';
import { stopAndRemove } from '../engine/stop-and-remove.ts';
import { TsrunError } from '../lib/errors.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
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

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  await sweep(paths);
  return forEach(rest, async (name) => {
    const container = flags.force ? findIfThere(paths, name) : findContainer(paths, name);
    if (container === undefined) return;
    await stopAndRemove(paths, container, flags.force);
    print(`${name}\n`);
  });
}

function findIfThere(paths: EnginePaths, name: string): Container | undefined {
  try {
    return findContainer(paths, name);
  } catch (error) {
    if (error instanceof TsrunError && error.code === 'NO_SUCH_CONTAINER') return undefined;
    throw error;
  }
}
