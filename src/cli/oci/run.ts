/** `tsrun-oci run`: create and start in one. */
import type { FlagTable, Syntax } from '../flags.ts';
import { MAKE_FLAGS, makeContainer } from './make.ts';
import { type OciContext, type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  ...MAKE_FLAGS,
  detach: { short: 'd', type: 'switch', help: 'return as soon as the program runs' },
  keep: { type: 'switch', help: 'do not delete the container when it has ended' },
  'no-subreaper': { type: 'switch', help: 'without meaning: no orphan is taken in' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'run', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'run [command options] <container-id>',
  summary: 'create and run a container',
  flags: FLAGS,
  run(args: readonly string[], context: OciContext): Promise<number> {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1);
    const detached = flags.detach ? 'running' : undefined;
    return makeContainer(flags, { id: rest[0] ?? '', detached, keep: flags.keep }, context);
  },
};
