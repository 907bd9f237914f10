/** `tsrun kill`: send a signal to the first process of running containers. */
import { findContainer, signalContainer } from '../engine/container-store.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import { signalNumber } from './signal-number.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  signal: { short: 's', type: 'text', value: 'SIGNAL', help: 'name or number; KILL when not given' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'kill' };

export const verb: Verb = {
  synopsis: 'kill [flags] CONTAINER...',
  summary: 'Send a signal to running containers',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  const text = flags.signal ?? 'KILL';
  const signal = signalNumber(text);
  if (signal === undefined) throw usage(SYNTAX, `invalid signal: ${text}`);
  return forEach(rest, (name) => {
    signalContainer(findContainer(paths, name), signal);
    print(`${name}\n`);
  });
}
