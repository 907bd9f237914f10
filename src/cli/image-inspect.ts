/** `tsrun image inspect`: everything known of images, as JSON in Docker's shape. */
import { openImageStore } from '../image/store.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { INSPECT_FLAGS, printInspected } from './inspect-format.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'image inspect' };

export const verb: Verb = {
  synopsis: 'image inspect [flags] IMAGE...',
  summary: 'Show everything about images as JSON',
  flags: INSPECT_FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(INSPECT_FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const store = openImageStore(paths.dataRoot);
  const found: object[] = [];
  const status = await forEach(rest, async (name) => {
    found.push(await store.inspect(name));
  });
  printInspected(found, flags.format);
  return status;
}
