/** `tsrun network prune`: remove the networks that no container needs. */
import { sweep } from '../engine/container-store.ts';
import { pruneNetworks } from '../engine/remove-network.ts';
import type { Network } from '../network/network.ts';
import { confirm } from './confirm.ts';
import { hasLabel, type Matchers, parseFilters } from './filters.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  filter: { type: 'list', value: 'NAME=VALUE', help: 'label' },
  force: { short: 'f', type: 'switch', help: 'do not ask first' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network prune' };

export const verb: Verb = {
  synopsis: 'network prune [flags]',
  summary: 'Remove the networks that no container needs',
  flags: FLAGS,
  run,
};

const MATCHERS: Matchers<Network> = { label: ({ labels }, value) => hasLabel(labels, value) };

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  const matches = parseFilters(flags.filter, MATCHERS, SYNTAX);
  if (!flags.force && !confirm('This will remove all networks that no container needs.')) return 0;
  await sweep(paths);
  const removed = pruneNetworks(paths, matches);
  if (removed.length > 0) print(`Deleted Networks:\n${removed.map((name) => `${name}\n`).join('')}`);
  return 0;
}
