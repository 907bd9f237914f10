/** `tsrun-oci start`: the program of a created container runs. */
import { findContainer } from '../../runtime/bundle/record.ts';
import { startContainer } from '../../runtime/bundle/start.ts';
import type { Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'start', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'start <container-id>',
  summary: 'executes the user defined process in a created container',
  flags: {},
  run(args, { root }) {
    const [id = ''] = parseVerb({}, args, SYNTAX, 1).rest;
    startContainer(findContainer(root, id));
    return 0;
  },
};
