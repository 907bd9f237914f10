/** `tsrun network disconnect`: take a container that runs off a network. */
import { findContainer, sweep } from '../engine/container-store.ts';
import { leaveNetwork } from '../engine/join-network.ts';
import { findBridgeNetwork } from '../engine/networks.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'network disconnect' };

export const verb: Verb = {
  synopsis: 'network disconnect NETWORK CONTAINER',
  summary: 'Take a running container off a network',
  flags: {},
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 2, 2);
  const [name = '', container = ''] = rest;
  checkRoot('network disconnect');
  await sweep(paths);
  leaveNetwork(paths, findContainer(paths, container), findBridgeNetwork(paths, name, 'disconnect from'));
  return 0;
}
