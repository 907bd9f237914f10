/** `tsrun system df`: the room on the disk that images and containers take, as Docker shows it. */
import { sweep } from '../engine/container-store.ts';
import { type DiskUsage, measureDisk } from '../engine/disk-usage.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { compileListFormat } from './format-template.ts';
import { print } from './print.ts';
import { shownCommand, shownState } from './ps.ts';
import { splitName } from './split-name.ts';
import { ago, formatTable, humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  verbose: { short: 'v', type: 'switch', help: 'show each image and container' },
  format: { type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Type}}: {{.Size}}'" },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'system df' };

export const verb: Verb = {
  synopsis: 'system df [flags]',
  summary: 'Show the disk usage of images and containers',
  flags: FLAGS,
  run,
};

const TITLES = {
  Type: 'TYPE',
  TotalCount: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
} as const;
const DEFAULT_FORMAT = `table ${Object.keys(TITLES)
  .map((name) => `{{.${name}}}`)
  .join('\t')}`;

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  if (flags.verbose && flags.format !== undefined) throw usage(SYNTAX, '-v and --format exclude each other');
  await sweep(paths);
  const disk = await measureDisk(paths);
  print(
    flags.verbose ? details(disk) : compileListFormat(flags.format ?? DEFAULT_FORMAT, TITLES)(summary(disk)),
  );
  return 0;
}

/** tsrun has no named volumes and no build cache; their rows stand there for those who read Docker's output. */
function summary({ images, containers }: DiskUsage) {
  const written = (list: typeof containers) => list.reduce((sum, { writtenBytes }) => sum + writtenBytes, 0);
  const idle = containers.filter(({ container }) => container.state.status !== 'running');
  return [
    {
      Type: 'Images',
      TotalCount: `${images.images.length}`,
      Active: `${images.images.filter((image) => image.containers > 0).length}`,
      Size: humanSize(images.sizeBytes),
      Reclaimable: share(images.reclaimableBytes, images.sizeBytes),
    },
    {
      Type: 'Containers',
      TotalCount: `${containers.length}`,
      Active: `${containers.length - idle.length}`,
      Size: humanSize(written(containers)),
      Reclaimable: share(written(idle), written(containers)),
    },
    { Type: 'Local Volumes', TotalCount: '0', Active: '0', Size: '0B', Reclaimable: '0B' },
    { Type: 'Build Cache', TotalCount: '0', Active: '0', Size: '0B', Reclaimable: '0B' },
  ];
}

function share(bytes: number, of: number): string {
  return of === 0 ? humanSize(bytes) : `${humanSize(bytes)} (${Math.floor((100 * bytes) / of)}%)`;
}

function details({ images, containers }: DiskUsage): string {
  const now = Date.now();
  const imageRows = images.images.map(({ id, names, created, sizeBytes, sharedBytes, containers: count }) => [
    ...splitName(names[0]),
    id.slice(id.indexOf(':') + 1).slice(0, 12),
    created === undefined ? 'N/A' : ago(Date.parse(created), now),
    humanSize(sizeBytes),
    humanSize(sharedBytes),
    humanSize(sizeBytes - sharedBytes),
    `${count}`,
  ]);
  const containerRows = containers.map(({ container: { record, state }, writtenBytes }) => [
    record.id.slice(0, 12),
    escapeForTerminal(record.image),
    shownCommand(record.spec.process.args, false),
    '0',
    humanSize(writtenBytes),
    ago(record.createdAtMs, now),
    shownState(state, record.createdAtMs, now),
    record.name,
  ]);
  return [
    'Images space usage:\n\n',
    formatTable(
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
      imageRows,
    ),
    '\nContainers space usage:\n\n',
    formatTable(
      ['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'],
      containerRows,
    ),
  ].join('');
}
