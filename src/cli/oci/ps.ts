/** `tsrun-oci ps`: the processes of a container, as the ps of the host shows them. */
import { execFileSync } from 'node:child_process';
import { TsrunError } from '../../lib/errors.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import { processesOf } from '../../runtime/bundle/signal.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  format: { short: 'f', type: 'text', value: 'FORMAT', help: 'table or json' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'ps', program: 'tsrun-oci', stopsAtFirstWord: true };

export const verb: OciVerb = {
  synopsis: 'ps [command options] <container-id> [ps options]',
  summary: 'ps displays the processes running inside a container',
  flags: FLAGS,
  run(args, { root }) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1, Number.POSITIVE_INFINITY);
    const [id = '', ...options] = rest;
    const format = flags.format ?? 'table';
    const pids = processesOf(findContainer(root, id).cgroups).toSorted((a, b) => a - b);
    if (format === 'json') print(`${JSON.stringify(pids)}\n`);
    else if (format === 'table') print(linesOf(pids, options.length === 0 ? ['-ef'] : options));
    else throw new TsrunError('USAGE', 'invalid format option', { hint: 'use table or json', exitCode: 1 });
    return 0;
  },
};

/** The heading, and the lines of these processes: PID says in which column their numbers are. */
function linesOf(pids: readonly number[], options: readonly string[]): string {
  const [heading = '', ...lines] = execFileSync('ps', options, { encoding: 'utf8' }).split('\n');
  const column = heading.trim().split(/\s+/).indexOf('PID');
  if (column < 0) throw new TsrunError('USAGE', "couldn't find PID field in ps output", { exitCode: 1 });
  const wanted = new Set(pids.map(String));
  const own = lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''));
  return [heading, ...own].map((line) => `${line}\n`).join('');
}
