/** `tsrun tag`: give an image one more name. */
import { openImageStore } from '../image/store.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'tag' };

export const verb: Verb = {
  synopsis: 'tag IMAGE NAME[:TAG]',
  summary: 'Give an image one more name',
  flags: {},
  run,
};

function run(args: readonly string[], { paths }: Context): number {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 2, 2);
  const [image = '', name = ''] = rest;
  openImageStore(paths.dataRoot).tag(image, name);
  return 0;
}
