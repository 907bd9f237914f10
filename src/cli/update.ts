/** `tsrun update`: change the limits of containers, also while they run. */
import { findContainer } from '../engine/container-store.ts';
import { updateContainer } from '../engine/update-container.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import { UPDATE_FLAGS, updateOptions } from './resource-flags.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'update' };

export const verb: Verb = {
  synopsis: 'update [flags] CONTAINER...',
  summary: 'Change the limits of containers, also while they run',
  flags: UPDATE_FLAGS,
  run,
};

function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(UPDATE_FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const options = updateOptions(flags, SYNTAX);
  if (Object.keys(options).length === 0)
    throw usage(SYNTAX, "'tsrun update' needs a flag: the limit to change");
  return forEach(rest, (name) => {
    updateContainer(paths, findContainer(paths, name), options);
    print(`${name}\n`);
  });
}
