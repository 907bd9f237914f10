/** `tsrun-oci start`: the program of a created container runs. */
import { TsrunError } from '../../lib/errors.ts';
import { destroyContainer } from '../../runtime/bundle/destroy.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import { startContainer } from '../../runtime/bundle/start.ts';
import type { Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'start', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'start <container-id>',
  summary: 'executes the user defined process in a created container',
  flags: {},
  async run(args, { root, log, env }) {
    const [id = ''] = parseVerb({}, args, SYNTAX, 1).rest;
    try {
      startContainer(findContainer(root, id), env.NOTIFY_SOCKET || undefined);
    } catch (error) {
      if (error instanceof TsrunError && error.code === 'HOOK_FAILED')
        await destroyContainer(findContainer(root, id), true, (warning) =>
          log.write('warning', warning.message),
        );
      throw error;
    }
    return 0;
  },
};
