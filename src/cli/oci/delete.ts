/** `tsrun-oci delete`: what create made is gone. */
import { removeTree } from '../../kernel/remove-tree.ts';
import { hostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import { destroyContainer } from '../../runtime/bundle/destroy.ts';
import { checkId, findContainer } from '../../runtime/bundle/record.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  force: { short: 'f', type: 'switch', help: 'also a container that runs, or that is not there' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'delete', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'delete [command options] <container-id>',
  summary: 'delete any resources held by the container',
  flags: FLAGS,
  async run(args, { root, log }) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1);
    const id = checkId(rest[0] ?? '');
    try {
      const container = findContainer(root, id);
      await destroyContainer(container, flags.force, (error) => log.write('warning', error.message));
    } catch (error) {
      if (!flags.force || !(error instanceof TsrunError) || error.code !== 'NO_SUCH_CONTAINER') throw error;
      // Its record was never written: create was killed.
      removeTree(hostPath(`${root}/${id}`));
    }
    return 0;
  },
};
