/** `tsrun-oci resume`: the processes of a paused container go on. */
import { TsrunError } from '../../lib/errors.ts';
import { setPaused } from '../../runtime/bundle/freezer.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import type { Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'resume', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'resume <container-id>',
  summary: 'resumes all processes that have been previously paused',
  flags: {},
  run(args, { root }) {
    const { id, status, cgroups } = findContainer(root, parseVerb({}, args, SYNTAX, 1).rest[0] ?? '');
    if (status !== 'paused')
      throw new TsrunError('NOT_PAUSED', `container not paused: ${id} is ${status}`, { exitCode: 1 });
    setPaused(cgroups, false);
    return 0;
  },
};
