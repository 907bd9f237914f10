/** `tsrun image history`: the steps that made an image. */
import type { HistoryStep } from '../image/history.ts';
import { openImageStore } from '../image/store.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileListFormat } from './format-template.ts';
import { print } from './print.ts';
import { ago, humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  quiet: { short: 'q', type: 'switch', help: 'print ids only' },
  'no-trunc': { type: 'switch', help: 'do not shorten ids and commands' },
  format: {
    type: 'text',
    value: 'FORMAT',
    help: "'json', or a template such as '{{.Size}}: {{.CreatedBy}}'",
  },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'image history' };

export const verb: Verb = {
  synopsis: 'image history [flags] IMAGE',
  summary: 'Show the steps that made an image',
  flags: FLAGS,
  run,
};

const TITLES = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
  CreatedAt: 'CREATED AT',
} as const;
const DEFAULT_FORMAT = `table ${['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'].map((name) => `{{.${name}}}`).join('\t')}`;
/** As Docker cuts it. */
const COMMAND_WIDTH = 45;

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  const steps = await openImageStore(paths.dataRoot).history(rest[0] ?? '');
  const now = Date.now();
  const rows = steps.map((step) => row(step, now, flags['no-trunc']));
  if (flags.quiet) print(rows.map(({ ID }) => `${ID}\n`).join(''));
  else print(compileListFormat(flags.format ?? DEFAULT_FORMAT, TITLES)(rows));
  return 0;
}

function row(step: HistoryStep, now: number, whole: boolean) {
  const { id, created, createdBy, sizeBytes, comment } = step;
  const command = escapeForTerminal(createdBy.replace(/\s+/g, ' '));
  return {
    ID: id === undefined ? '<missing>' : whole ? id : id.slice(id.indexOf(':') + 1).slice(0, 12),
    CreatedSince: created === undefined ? 'N/A' : ago(Date.parse(created), now),
    CreatedAt: created ?? '',
    CreatedBy: whole || command.length <= COMMAND_WIDTH ? command : `${command.slice(0, COMMAND_WIDTH - 1)}…`,
    Size: humanSize(sizeBytes),
    Comment: escapeForTerminal(comment),
  };
}
