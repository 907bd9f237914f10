/** `tsrun pull`: bring an image from a registry. */
import { prepareRoots } from '../engine/paths.ts';
import { StorePaths } from '../image/store-paths.ts';
import { pullImage } from '../registry/pull.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import { pullResult } from './pull-result.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  platform: {
    type: 'text',
    value: 'OS/ARCH[/VARIANT]',
    help: 'for which machine, such as linux/arm64; this one when not given',
  },
  quiet: { short: 'q', type: 'switch', help: 'print only the name of the image' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'pull' };

export const verb: Verb = {
  synopsis: 'pull [flags] NAME[:TAG|@DIGEST]',
  summary: 'Bring an image from a registry',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  checkRoot('pull an image');
  prepareRoots(paths);
  return forEach(rest, async (name) => {
    const pulled = await pullImage(new StorePaths(paths.dataRoot), name, {
      env,
      platform: flags.platform,
      onLayer: () => undefined,
    });
    print(pullResult(pulled, flags.quiet));
  });
}
