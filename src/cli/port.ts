/** `tsrun port`: where on the host the ports of a container are. */

import { findContainer } from '../engine/container-store.ts';
import { portName } from '../engine/describe-ports.ts';
import { readNetworkRecord } from '../engine/network-record.ts';
import { parseExposed } from '../engine/port-options.ts';
import { TsrunError } from '../lib/errors.ts';
import { formatHostPort } from '../network/published-port.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'port' };

export const verb: Verb = {
  synopsis: 'port CONTAINER [PORT[/PROTOCOL]]',
  summary: 'Show where on the host the ports of a container are',
  flags: {},
  run,
};

function run(args: readonly string[], { paths }: Context): number {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 2);
  const [name = '', asked] = rest;
  const { record, state } = findContainer(paths, name);
  const bindings = state.status === 'running' ? (readNetworkRecord(paths, record.id)?.ports ?? []) : [];
  const lines = bindings.map((binding) => ({
    port: portName({ port: binding.containerPort, protocol: binding.protocol }),
    at: formatHostPort(binding),
  }));
  if (asked === undefined) {
    print(lines.map(({ port, at }) => `${port} -> ${at}\n`).join(''));
    return 0;
  }
  const wanted = parseExposed(asked).map(portName);
  const found = lines.filter(({ port }) => wanted.includes(port));
  if (found.length === 0)
    throw new TsrunError(
      'NOT_PUBLISHED',
      `Port ${wanted.join(', ')} of container ${record.name} is not published`,
      {
        hint: `tsrun port ${record.name} shows those that are`,
        exitCode: 1,
      },
    );
  print(found.map(({ at }) => `${at}\n`).join(''));
  return 0;
}
