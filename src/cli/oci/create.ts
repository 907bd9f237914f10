/** `tsrun-oci create`: everything of a container but its program runs. */
import type { FlagTable, Syntax } from '../flags.ts';
import { MAKE_FLAGS, makeContainer } from './make.ts';
import { type OciContext, type OciVerb, parseVerb } from './verb.ts';

const FLAGS = MAKE_FLAGS satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'create', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'create [command options] <container-id>',
  summary: 'create a container',
  flags: FLAGS,
  run(args: readonly string[], context: OciContext): Promise<number> {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1);
    return makeContainer(flags, { id: rest[0] ?? '', detached: 'waiting', keep: false }, context);
  },
};
