/** `tsrun load`: take images from an archive or an OCI directory into the store. */
import { prepareRoots } from '../engine/paths.ts';
import { openImageStore } from '../image/store.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { archiveInput } from './archive-input.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  input: {
    short: 'i',
    type: 'text',
    value: 'PATH',
    help: 'archive or OCI directory; standard input when not given',
  },
  quiet: { short: 'q', type: 'switch', help: 'print nothing' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'load' };

export const verb: Verb = {
  synopsis: 'load [flags]',
  summary: 'Load images from an archive',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  checkRoot('load images');
  prepareRoots(paths);
  const loaded = await openImageStore(paths.dataRoot).load(archiveInput(flags.input, SYNTAX));
  if (flags.quiet) return 0;
  for (const { names, id } of loaded) {
    const lines =
      names.length === 0 ? [`Loaded image ID: ${id}\n`] : names.map((name) => `Loaded image: ${name}\n`);
    print(lines.join(''));
  }
  return 0;
}
