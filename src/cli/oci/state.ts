/** `tsrun-oci state`: what has become of a container. */
import { findContainer } from '../../runtime/bundle/record.ts';
import type { Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { describeContainer } from './describe.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'state', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'state <container-id>',
  summary: 'output the state of a container',
  flags: {},
  run(args, { root }) {
    const [id = ''] = parseVerb({}, args, SYNTAX, 1).rest;
    print(`${JSON.stringify(describeContainer(findContainer(root, id)), undefined, 2)}\n`);
    return 0;
  },
};
