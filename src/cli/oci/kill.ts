/** `tsrun-oci kill`: a signal to the first process of a container, or to all of them. */
import { TsrunError } from '../../lib/errors.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import { signalAll, signalProcess } from '../../runtime/bundle/signal.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { signalNumber } from '../signal-number.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  all: { short: 'a', type: 'switch', help: 'to every process of the container' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'kill', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'kill [command options] <container-id> [signal]',
  summary: "kill sends the specified signal (default: SIGTERM) to the container's init process",
  flags: FLAGS,
  run(args, { root }) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1, 2);
    const [id = '', text = 'SIGTERM'] = rest;
    // 0 only asks whether they are there: kill(2).
    const signal = text === '0' ? 0 : signalNumber(text);
    if (signal === undefined)
      throw new TsrunError('USAGE', `unknown signal ${JSON.stringify(text)}`, { exitCode: 1 });
    const container = findContainer(root, id);
    if (flags.all) signalAll(container.cgroups, signal);
    else signalProcess(container, signal);
    return 0;
  },
};
