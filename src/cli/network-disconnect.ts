/** `tsrun network disconnect`: take a container that runs off a network. */
import { findContainer, sweep } from '../engine/container-store.ts';
import { leaveNetwork } from '../engine/join-network.ts';
import { findBridgeNetwork } from '../engine/networks.ts';
import { TsrunError } from '../lib/errors.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  force: { short: 'f', type: 'switch', help: 'a container that is gone, or not on it, is no error' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network disconnect' };

export const verb: Verb = {
  synopsis: 'network disconnect [flags] NETWORK CONTAINER',
  summary: 'Take a running container off a network',
  flags: FLAGS,
  run,
};

/** What is said of a container that is off the network as it is. */
const OFF_IT = new Set(['NO_SUCH_CONTAINER', 'NOT_CONNECTED']);

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 2, 2);
  const [name = '', container = ''] = rest;
  checkRoot('network disconnect');
  await sweep(paths);
  const network = findBridgeNetwork(paths, name, 'disconnect from');
  try {
    leaveNetwork(paths, findContainer(paths, container), network);
  } catch (error) {
    if (!flags.force || !(error instanceof TsrunError) || !OFF_IT.has(error.code)) throw error;
  }
  return 0;
}
