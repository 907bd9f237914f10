/** `tsrun stats`: what containers use, as a table that is drawn anew every second. */
import { totalmem } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { type Container, findContainer, listContainers, sweep } from '../engine/container-store.ts';
import { type ContainerUsage, readContainerUsage } from '../engine/container-usage.ts';
import type { EnginePaths } from '../engine/paths.ts';
import type { ContainerId } from '../lib/brands.ts';
import { type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileListFormat } from './format-template.ts';
import { print } from './print.ts';
import { statsRow, TITLES } from './stats-row.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  all: { short: 'a', type: 'switch', help: 'show containers that do not run as well' },
  format: { type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Name}}: {{.CPUPerc}}'" },
  'no-stream': { type: 'switch', help: 'print the figures once, and end' },
  'no-trunc': { type: 'switch', help: 'do not shorten ids' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'stats' };

export const verb: Verb = {
  synopsis: 'stats [flags] [CONTAINER...]',
  summary: 'Show what containers use: processor, memory, network, disks',
  flags: FLAGS,
  run,
};

const INTERVAL_MS = 1000;
const DEFAULT_FORMAT = `table ${['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'].map((name) => `{{.${name}}}`).join('\t')}`;
/** ECMA-48: the cursor goes to the top left, and what is behind it is erased. */
const CLEAR = '\u001b[H\u001b[J';

type Samples = ReadonlyMap<ContainerId, ContainerUsage>;

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  const format = compileListFormat(flags.format ?? DEFAULT_FORMAT, TITLES);
  await sweep(paths);
  const chosen = () => chooseContainers(paths, rest, flags.all);
  const screen = process.stdout.isTTY && !flags['no-stream'];
  // Processor time is a rate and takes two looks; a person at a terminal sees the rest after the first.
  for (let before: Samples | undefined; ; await setTimeout(INTERVAL_MS)) {
    const containers = chosen();
    const now = sample(containers);
    if (screen || before !== undefined) {
      const rows = containers.map(({ record }) =>
        statsRow(record, before?.get(record.id), now.get(record.id), totalmem(), flags['no-trunc']),
      );
      print(`${screen ? CLEAR : ''}${format(rows)}`);
      if (flags['no-stream'] || (rest.length > 0 && now.size === 0)) return 0;
    }
    before = now;
  }
}

/** Those that are named, whether they run or not; without names those that run, or all. */
function chooseContainers(paths: EnginePaths, names: readonly string[], all: boolean): readonly Container[] {
  if (names.length > 0) return names.map((name) => findContainer(paths, name));
  return listContainers(paths).filter(({ state }) => all || state.status === 'running');
}

function sample(containers: readonly Container[]): Samples {
  return new Map(
    containers.flatMap((container) => {
      const usage = readContainerUsage(container);
      return usage === undefined ? [] : [[container.record.id, usage] as const];
    }),
  );
}
