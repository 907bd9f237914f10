/** `tsrun save`: images as an archive. */
import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { isatty } from 'node:tty';
import { openImageStore } from '../image/store.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  output: { short: 'o', type: 'text', value: 'FILE', help: 'a file; standard output when not given' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'save' };

export const verb: Verb = {
  synopsis: 'save [flags] IMAGE...',
  summary: 'Write images as an archive',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1);
  checkRoot('save images');
  const { output } = flags;
  if (output === undefined && isatty(1))
    throw usage(SYNTAX, 'no file: standard output is a terminal, and -o is not given');
  const save = (stream: NodeJS.WritableStream) =>
    openImageStore(paths.dataRoot).save(rest, (bytes) => written(stream, bytes));
  if (output === undefined) await save(process.stdout);
  else await toFile(resolve(output), save);
  return 0;
}

/** Nobody finds half an archive under the name. */
async function toFile(path: string, save: (stream: NodeJS.WritableStream) => Promise<void>): Promise<void> {
  const half = `${path}.${process.pid}.part`;
  const stream = createWriteStream(half, { flags: 'wx', mode: 0o600, flush: true });
  try {
    await save(stream);
    stream.end();
    await finished(stream);
    renameSync(half, path);
  } finally {
    stream.destroy();
    rmSync(half, { force: true });
  }
}

/** The buffer may be used again when this has been awaited. */
function written(stream: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> {
  return new Promise((done, failed) => {
    stream.write(bytes, (error) => (error ? failed(error) : done()));
  });
}
