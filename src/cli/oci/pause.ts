/** `tsrun-oci pause`: every process of a container stands still. */
import { TsrunError } from '../../lib/errors.ts';
import { setPaused } from '../../runtime/bundle/freezer.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import type { Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'pause', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'pause <container-id>',
  summary: 'pause suspends all processes inside the container',
  flags: {},
  run(args, { root }) {
    const { id, status, cgroups } = findContainer(root, parseVerb({}, args, SYNTAX, 1).rest[0] ?? '');
    if (status !== 'running' && status !== 'created')
      throw new TsrunError('NOT_RUNNING', `container not running: ${id} is ${status}`, { exitCode: 1 });
    setPaused(cgroups, true);
    return 0;
  },
};
