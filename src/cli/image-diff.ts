/** `tsrun image diff`: what one image has other than another. */
import type { FieldDifference, ImageDifference, PathDifference } from '../image/image-diff.ts';
import { openImageStore } from '../image/store.ts';
import { shownName } from '../image/tar/bytes.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { type Paint, painter } from './colours.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import { humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  format: { type: 'text', value: 'FORMAT', help: "'json'" },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'image diff' };

export const verb: Verb = {
  synopsis: 'image diff [flags] IMAGE IMAGE',
  summary: 'Show what the second image has other than the first',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 2, 2);
  if (flags.format !== undefined && flags.format !== 'json') throw usage(SYNTAX, "--format takes 'json'");
  checkRoot('read the layers of images');
  const [before = '', after = ''] = rest;
  const difference = await openImageStore(paths.dataRoot).diff(before, after);
  print(flags.format === 'json' ? asJson(difference) : asText(difference, painter(env)));
  return 0;
}

function asJson({ fields, paths }: ImageDifference): string {
  return `${JSON.stringify({
    Config: fields.map(({ field, before, after }) => ({ Field: field, Before: before, After: after })),
    Paths: paths.map(({ path, kind, what, beforeBytes, afterBytes }) => ({
      Path: `/${shownName(path)}`,
      Kind: kind,
      What: what,
      BeforeBytes: beforeBytes,
      AfterBytes: afterBytes,
    })),
  })}\n`;
}

/** The letters of `docker diff`. */
const LETTERS = { added: 'A', changed: 'C', removed: 'D' } as const;

function asText({ fields, paths }: ImageDifference, paint: Paint): string {
  return [
    ...fields.map((field) => fieldLine(field, paint)),
    ...paths.map((path) => pathLine(path, paint)),
    summary(paths),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function fieldLine({ field, before, after }: FieldDifference, paint: Paint): string {
  const shown = (value: unknown) =>
    value === undefined ? 'not set' : escapeForTerminal(JSON.stringify(value));
  return `${paint('changed', 'config')} ${field}: ${shown(before)} -> ${shown(after)}`;
}

function pathLine({ path, kind, isDirectory, what, beforeBytes, afterBytes }: PathDifference, paint: Paint) {
  const name = `/${shownName(path)}${isDirectory ? '/' : ''}`;
  const size =
    kind === 'changed' ? sizeChange(beforeBytes, afterBytes, what) : humanSize(beforeBytes + afterBytes);
  return `${paint(kind, LETTERS[kind])} ${name}  ${size}`.trimEnd();
}

function sizeChange(before: number, after: number, what: readonly string[]): string {
  const sizes = before === after ? '' : ` ${humanSize(before)} -> ${humanSize(after)}`;
  return `(${what.join(', ')})${sizes}`;
}

function summary(paths: readonly PathDifference[]): string {
  const count = (kind: PathDifference['kind']) => paths.filter((p) => p.kind === kind).length;
  const bytes = paths.reduce((sum, { beforeBytes, afterBytes }) => sum + afterBytes - beforeBytes, 0);
  const sign = bytes < 0 ? '-' : '+';
  return `${count('added')} added, ${count('changed')} changed, ${count('removed')} removed, ${sign}${humanSize(Math.abs(bytes))}`;
}
