/** `tsrun image prune`: remove images that nobody needs. */
import { imageUses, sweep } from '../engine/container-store.ts';
import { openImageStore } from '../image/store.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import type { ImageConfig } from '../spec/image.ts';
import { confirm } from './confirm.ts';
import { hasLabel, type Matchers, parseFilters } from './filters.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import { humanSize } from './table.ts';
import { timeBefore } from './time-before.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  all: {
    short: 'a',
    type: 'switch',
    help: 'every image that no container uses, not only those without a name',
  },
  filter: { type: 'list', value: 'NAME=VALUE', help: "until ('24h', or a time), label, label!" },
  force: { short: 'f', type: 'switch', help: 'do not ask first' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'image prune' };

export const verb: Verb = {
  synopsis: 'image prune [flags]',
  summary: 'Remove images that nobody needs',
  flags: FLAGS,
  run,
};

const MATCHERS: Matchers<ImageConfig> = {
  until: ({ created }, value) => Date.parse(created ?? '') < timeBefore(value, SYNTAX),
  label: ({ config }, value) => hasLabel(config.Labels ?? {}, value),
  'label!': ({ config }, value) => !hasLabel(config.Labels ?? {}, value),
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  const matches = parseFilters(flags.filter, MATCHERS, SYNTAX);
  checkRoot('remove images');
  const which = flags.all ? 'all images that no container uses' : 'all images without a name';
  if (!flags.force && !confirm(`This will remove ${which}.`)) return 0;
  await sweep(paths);
  const { untagged, deleted, reclaimedBytes } = await openImageStore(paths.dataRoot).prune({
    all: flags.all,
    matches,
    uses: () => imageUses(paths),
  });
  const lines = [
    ...untagged.map((name) => `untagged: ${name}\n`),
    ...deleted.map((id) => `deleted: ${id}\n`),
  ];
  if (lines.length > 0) print(`Deleted Images:\n${lines.join('')}\n`);
  print(`Total reclaimed space: ${humanSize(reclaimedBytes)}\n`);
  return 0;
}
