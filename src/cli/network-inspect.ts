/** `tsrun network inspect`: everything known of networks, as JSON in Docker's shape. */
import { sweep } from '../engine/container-store.ts';
import { inspectNetwork } from '../engine/inspect-network.ts';
import { findNetwork } from '../engine/networks.ts';
import { prepareRoots } from '../engine/paths.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'network inspect' };

export const verb: Verb = {
  synopsis: 'network inspect NETWORK...',
  summary: 'Show everything about networks as JSON',
  flags: {},
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  prepareRoots(paths);
  sweep(paths);
  const found: unknown[] = [];
  const status = await forEach(rest, (name) => {
    found.push(inspectNetwork(paths, findNetwork(paths, name)));
  });
  print(`${JSON.stringify(found, null, 4)}\n`);
  return status;
}
