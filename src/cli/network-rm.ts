/** `tsrun network rm`: remove networks that no container is on. */
import { sweep } from '../engine/container-store.ts';
import { findBridgeNetwork } from '../engine/networks.ts';
import { removeNetwork } from '../engine/remove-network.ts';
import { TsrunError } from '../lib/errors.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  force: { short: 'f', type: 'switch', help: 'a missing one is no error' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network rm' };

export const verb: Verb = {
  synopsis: 'network rm [flags] NETWORK...',
  summary: 'Remove networks',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  await sweep(paths);
  return forEach(rest, (name) => {
    try {
      removeNetwork(paths, findBridgeNetwork(paths, name, 'remove'));
    } catch (error) {
      if (flags.force && error instanceof TsrunError && error.code === 'NO_SUCH_NETWORK') return;
      throw error;
    }
    print(`${name}\n`);
  });
}
