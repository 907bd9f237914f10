/** `tsrun network ls`: the networks there are. */
import { type AnyNetwork, allNetworks } from '../engine/networks.ts';
import { type EnginePaths, prepareRoots } from '../engine/paths.ts';
import { isUnused } from '../engine/remove-network.ts';
import { hasLabel, type Matchers, parseFilters } from './filters.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileListFormat } from './format-template.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  filter: {
    short: 'f',
    type: 'list',
    value: 'NAME=VALUE',
    help: 'dangling (true: no container needs it), driver, id, label, name, scope, type (builtin or custom)',
  },
  format: { type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Name}}: {{.Driver}}'" },
  'no-trunc': { type: 'switch', help: 'do not shorten ids' },
  quiet: { short: 'q', type: 'switch', help: 'print ids only' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network ls' };

export const verb: Verb = { synopsis: 'network ls [flags]', summary: 'List networks', flags: FLAGS, run };

const TITLES = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED',
};
const DEFAULT_FORMAT = 'table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}';

/** Parts of names and of ids match, as with Docker. */
const matchers = (paths: EnginePaths): Matchers<AnyNetwork> => ({
  dangling: ({ network }, value) => `${network !== undefined && isUnused(paths)(network)}` === value,
  driver: ({ driver }, value) => driver === value,
  id: ({ id }, value) => id.startsWith(value),
  label: ({ network }, value) => hasLabel(network?.labels ?? {}, value),
  name: ({ name }, value) => name.includes(value),
  scope: (_network, value) => value === 'local',
  type: ({ network }, value) => value === (network === undefined || network.isDefault ? 'builtin' : 'custom'),
});

function run(args: readonly string[], { paths }: Context): number {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  const matches = parseFilters(flags.filter, matchers(paths), SYNTAX);
  prepareRoots(paths);
  const networks = allNetworks(paths).filter(matches);
  const row = ({ id, name, driver, network }: AnyNetwork) => ({
    ID: flags['no-trunc'] ? id : id.slice(0, 12),
    Name: name,
    Driver: driver,
    Scope: 'local',
    IPv6: `${network?.subnets.some(({ subnet }) => subnet.includes(':')) ?? false}`,
    Internal: `${network?.internal ?? false}`,
    Labels: Object.entries(network?.labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    CreatedAt: network?.created ?? '',
  });
  const format = compileListFormat(flags.format ?? (flags.quiet ? '{{.ID}}' : DEFAULT_FORMAT), TITLES);
  print(format(networks.map(row)));
  return 0;
}
