/** `tsrun-oci list`: the containers below the root. */
import { TsrunError } from '../../lib/errors.ts';
import { listContainers } from '../../runtime/bundle/record.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { describeContainer } from './describe.ts';
import { formatGoTable } from './table.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  format: { short: 'f', type: 'text', value: 'FORMAT', help: 'table or json' },
  quiet: { short: 'q', type: 'switch', help: 'only ids' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'list', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'list [command options]',
  summary: 'lists containers with the given root',
  flags: FLAGS,
  run(args, { root }) {
    const { flags } = parseVerb(FLAGS, args, SYNTAX, 0);
    const containers = listContainers(root).map(describeContainer);
    if (flags.quiet) print(containers.map(({ id }) => `${id}\n`).join(''));
    else if (flags.format === 'json')
      print(`${JSON.stringify(containers.length === 0 ? null : containers)}\n`);
    else if ((flags.format ?? 'table') === 'table')
      print(
        formatGoTable(
          ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
          containers.map((one) => [one.id, `${one.pid}`, one.status, one.bundle, one.created, one.owner]),
        ),
      );
    else throw new TsrunError('USAGE', 'invalid format option', { hint: 'use table or json', exitCode: 1 });
    return 0;
  },
};
