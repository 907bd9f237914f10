/** `tsrun rmi`: remove names of images, and images that have lost their last one. */
import { imageUses } from '../engine/container-store.ts';
import { openImageStore } from '../image/store.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  force: {
    short: 'f',
    type: 'switch',
    help: 'remove an image with all its names, also when stopped containers use it',
  },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'rmi' };

export const verb: Verb = { synopsis: 'rmi [flags] IMAGE...', summary: 'Remove images', flags: FLAGS, run };

function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const store = openImageStore(paths.dataRoot);
  return forEach(rest, async (name) => {
    const { untagged, deleted } = await store.remove(name, {
      force: flags.force,
      uses: () => imageUses(paths),
    });
    print(untagged.map((tag) => `Untagged: ${tag}\n`).join(''));
    if (deleted !== undefined) print(`Deleted: ${deleted}\n`);
  });
}
