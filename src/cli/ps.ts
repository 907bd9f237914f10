/** `tsrun ps`: the containers there are. */

import type { ContainerState } from '../engine/container-record.ts';
import { type Container, listContainers, sweep } from '../engine/container-store.ts';
import { formatPorts } from '../engine/describe-ports.ts';
import { readNetworkRecord } from '../engine/network-record.ts';
import type { EnginePaths } from '../engine/paths.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import { ago, formatTable } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  all: { short: 'a', type: 'switch', help: 'show those that do not run as well' },
  quiet: { short: 'q', type: 'switch', help: 'print ids only' },
  'no-trunc': { type: 'switch', help: 'do not shorten ids and commands' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'ps' };

export const verb: Verb = { synopsis: 'ps [flags]', summary: 'List containers', flags: FLAGS, run };

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  await sweep(paths);
  const shown = listContainers(paths).filter(({ state }) => flags.all || state.status === 'running');
  const id = ({ record }: Container) => (flags['no-trunc'] ? record.id : record.id.slice(0, 12));
  if (flags.quiet) {
    print(shown.map((c) => `${id(c)}\n`).join(''));
    return 0;
  }
  const now = Date.now();
  const rows = shown.map((c) => [
    id(c),
    escapeForTerminal(c.record.image),
    shownCommand(c.record.spec.process.args, flags['no-trunc']),
    ago(c.record.createdAtMs, now),
    shownState(c.state, c.record.createdAtMs, now),
    shownPorts(paths, c),
    c.record.name,
  ]);
  print(formatTable(['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES'], rows));
  return 0;
}

function shownPorts(paths: EnginePaths, { record, state }: Container): string {
  if (state.status !== 'running') return '';
  return formatPorts(record.ports.exposed, readNetworkRecord(paths, record.id)?.ports ?? []);
}

export function shownCommand(args: readonly string[], whole: boolean): string {
  const text = escapeForTerminal(args.join(' '));
  return `"${whole || text.length <= 20 ? text : `${text.slice(0, 19)}…`}"`;
}

export function shownState(state: ContainerState, createdMs: number, now: number): string {
  switch (state.status) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${ago(createdMs, now).replace(/ ago$/, '')}`;
    case 'exited':
      return `Exited (${state.exitCode})${state.finishedAtMs === undefined ? '' : ` ${ago(state.finishedAtMs, now)}`}`;
    default:
      return state satisfies never;
  }
}
