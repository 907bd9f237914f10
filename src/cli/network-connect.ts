/** `tsrun network connect`: put a container that runs on one more network. */
import { findContainer, sweep } from '../engine/container-store.ts';
import { joinNetwork } from '../engine/join-network.ts';
import { findBridgeNetwork } from '../engine/networks.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { parseAlias, parseIp } from './network-flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  alias: { type: 'list', value: 'NAME', help: 'another name by which containers on the network find it' },
  ip: { type: 'text', value: 'ADDRESS', help: 'IPv4 address on the network' },
  ip6: { type: 'text', value: 'ADDRESS', help: 'IPv6 address on the network' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network connect' };

export const verb: Verb = {
  synopsis: 'network connect [flags] NETWORK CONTAINER',
  summary: 'Put a running container on one more network',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 2, 2);
  const [name = '', nameOfContainer = ''] = rest;
  const [ip, ip6] = [parseIp(flags.ip, 4, SYNTAX), parseIp(flags.ip6, 6, SYNTAX)];
  const aliases = flags.alias.map((text) => parseAlias('--alias', text, SYNTAX));
  checkRoot('network connect');
  await sweep(paths);
  const container = findContainer(paths, nameOfContainer);
  const network = findBridgeNetwork(paths, name, 'connect to');
  joinNetwork(paths, container, network, {
    aliases,
    ...(ip === undefined ? {} : { ip }),
    ...(ip6 === undefined ? {} : { ip6 }),
  });
  return 0;
}
