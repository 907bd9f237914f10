/** `tsrun inspect`: everything known of containers, as JSON in Docker's shape. */
import { findContainer } from '../engine/container-store.ts';
import { describeContainer } from '../engine/describe-container.ts';
import { forEach } from './each.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'inspect' };

export const verb: Verb = {
  synopsis: 'inspect CONTAINER...',
  summary: 'Show everything about containers as JSON',
  flags: {},
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const found: unknown[] = [];
  const status = await forEach(rest, (name) => {
    found.push(describeContainer(paths, findContainer(paths, name)));
  });
  print(`${JSON.stringify(found, null, 4)}\n`);
  return status;
}
