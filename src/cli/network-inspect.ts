/** `tsrun network inspect`: everything known of networks, as JSON in Docker's shape. */
import { sweep } from '../engine/container-store.ts';
import { inspectNetwork, type NetworkDescription } from '../engine/inspect-network.ts';
import { findNetwork } from '../engine/networks.ts';
import { prepareRoots } from '../engine/paths.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { INSPECT_FLAGS, printInspected } from './inspect-format.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'network inspect' };

export const verb: Verb = {
  synopsis: 'network inspect [flags] NETWORK...',
  summary: 'Show everything about networks as JSON',
  flags: INSPECT_FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(INSPECT_FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  prepareRoots(paths);
  await sweep(paths);
  const found: NetworkDescription[] = [];
  const status = await forEach(rest, (name) => {
    found.push(inspectNetwork(paths, findNetwork(paths, name)));
  });
  printInspected(found, flags.format);
  return status;
}
