/** `tsrun images`: the images there are. */
import type { ImageSummary } from '../image/list.ts';
import { openImageStore } from '../image/store.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import { ago, formatTable, humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  quiet: { short: 'q', type: 'switch', help: 'print ids only' },
  'no-trunc': { type: 'switch', help: 'do not shorten ids' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'images' };

export const verb: Verb = {
  synopsis: 'images [flags] [REPOSITORY[:TAG]]',
  summary: 'List images',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 1);
  const [wanted] = rest;
  const images = (await openImageStore(paths.dataRoot).list()).filter(
    ({ repository, tag }) =>
      wanted === undefined || wanted === repository || wanted === `${repository}:${tag}`,
  );
  for (const image of images.filter(({ damaged }) => damaged))
    process.stderr.write(`tsrun: the image ${nameOf(image)} is damaged: see 'tsrun system check'\n`);
  const id = (digest: string) =>
    flags['no-trunc'] ? digest : digest.slice(digest.indexOf(':') + 1).slice(0, 12);
  if (flags.quiet) {
    print(images.map((image) => `${id(image.id)}\n`).join(''));
    return 0;
  }
  const now = Date.now();
  const rows = images.map((image) => [
    image.repository ?? '<none>',
    image.tag ?? '<none>',
    id(image.id),
    image.created === undefined ? 'N/A' : ago(Date.parse(image.created), now),
    humanSize(image.sizeBytes),
  ]);
  print(formatTable(['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'], rows));
  return 0;
}

function nameOf({ repository, tag, id }: ImageSummary): string {
  return repository === undefined ? id : tag === undefined ? repository : `${repository}:${tag}`;
}
