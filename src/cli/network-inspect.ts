/** `tsrun network inspect`: everything known of networks, as JSON in Docker's shape. */
import { sweep } from '../engine/container-store.ts';
import { inspectNetwork, type NetworkDescription } from '../engine/inspect-network.ts';
import { findNetwork } from '../engine/networks.ts';
import { prepareRoots } from '../engine/paths.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileFormat } from './format-template.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  format: { short: 'f', type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Id}}'" },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network inspect' };

export const verb: Verb = {
  synopsis: 'network inspect [flags] NETWORK...',
  summary: 'Show everything about networks as JSON',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  prepareRoots(paths);
  await sweep(paths);
  const found: NetworkDescription[] = [];
  const status = await forEach(rest, (name) => {
    found.push(inspectNetwork(paths, findNetwork(paths, name)));
  });
  const { format } = flags;
  print(
    format === undefined
      ? `${JSON.stringify(found, null, 4)}\n`
      : found.map((network) => compileFormat(format, Object.keys(network))(network)).join(''),
  );
  return status;
}
