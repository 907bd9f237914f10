/** `tsrun import`: make an image of one layer from a tar of a root file system. */
import { prepareRoots } from '../engine/paths.ts';
import { openImageStore } from '../image/store.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { archiveInput } from './archive-input.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  change: {
    short: 'c',
    type: 'list',
    value: 'INSTRUCTION',
    help: 'apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, USER, WORKDIR, LABEL, EXPOSE …',
  },
  message: { short: 'm', type: 'text', value: 'TEXT', help: 'comment in the history of the image' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'import' };

export const verb: Verb = {
  synopsis: 'import [flags] FILE|- [NAME[:TAG]]',
  summary: 'Make an image from a tar of a root file system',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 2);
  checkRoot('import an image');
  prepareRoots(paths);
  const [file, name] = rest;
  const id = await openImageStore(paths.dataRoot).import(archiveInput(file, SYNTAX), {
    changes: flags.change,
    ...(name === undefined ? {} : { name }),
    ...(flags.message === undefined ? {} : { message: flags.message }),
  });
  print(`${id}\n`);
  return 0;
}
