/** `tsrun image inspect`: everything known of images, as JSON in Docker's shape. */
import { openImageStore } from '../image/store.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'image inspect' };

export const verb: Verb = {
  synopsis: 'image inspect IMAGE...',
  summary: 'Show everything about images as JSON',
  flags: {},
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const store = openImageStore(paths.dataRoot);
  const found: unknown[] = [];
  const status = await forEach(rest, async (name) => {
    found.push(await store.inspect(name));
  });
  print(`${JSON.stringify(found, null, 4)}\n`);
  return status;
}
