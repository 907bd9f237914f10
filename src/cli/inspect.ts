/** `tsrun inspect`: everything known of containers, as JSON in Docker's shape. */
import { findContainer } from '../engine/container-store.ts';
import { describeContainer } from '../engine/describe-container.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { INSPECT_FLAGS, printInspected } from './inspect-format.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'inspect' };

export const verb: Verb = {
  synopsis: 'inspect [flags] CONTAINER...',
  summary: 'Show everything about containers as JSON',
  flags: INSPECT_FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(INSPECT_FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const found: object[] = [];
  const status = await forEach(rest, (name) => {
    found.push(describeContainer(paths, findContainer(paths, name)));
  });
  printInspected(found, flags.format);
  return status;
}
