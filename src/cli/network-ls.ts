/** `tsrun network ls`: the networks there are. */
import { type AnyNetwork, allNetworks } from '../engine/networks.ts';
import { prepareRoots } from '../engine/paths.ts';
import { hasLabel, type Matchers, parseFilters } from './filters.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import { formatTable } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  filter: {
    short: 'f',
    type: 'list',
    value: 'NAME=VALUE',
    help: 'driver, id, label, name, scope, type (builtin or custom)',
  },
  'no-trunc': { type: 'switch', help: 'do not shorten ids' },
  quiet: { short: 'q', type: 'switch', help: 'print ids only' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network ls' };

export const verb: Verb = { synopsis: 'network ls [flags]', summary: 'List networks', flags: FLAGS, run };

/** Parts of names and of ids match, as with Docker. */
const MATCHERS: Matchers<AnyNetwork> = {
  driver: ({ driver }, value) => driver === value,
  id: ({ id }, value) => id.startsWith(value),
  label: ({ network }, value) => hasLabel(network?.labels ?? {}, value),
  name: ({ name }, value) => name.includes(value),
  scope: (_network, value) => value === 'local',
  type: ({ network }, value) => value === (network === undefined || network.isDefault ? 'builtin' : 'custom'),
};

function run(args: readonly string[], { paths }: Context): number {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  const matches = parseFilters(flags.filter, MATCHERS, SYNTAX);
  prepareRoots(paths);
  const networks = allNetworks(paths).filter(matches);
  const id = (network: AnyNetwork) => (flags['no-trunc'] ? network.id : network.id.slice(0, 12));
  print(
    flags.quiet
      ? networks.map((network) => `${id(network)}\n`).join('')
      : formatTable(
          ['NETWORK ID', 'NAME', 'DRIVER', 'SCOPE'],
          networks.map((network) => [id(network), network.name, network.driver, 'local']),
        ),
  );
  return 0;
}
