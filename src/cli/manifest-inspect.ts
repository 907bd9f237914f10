/** `tsrun manifest inspect`: the manifest or index that a name stands for at its registry. */
import { parseReference } from '../image/reference.ts';
import { fetchManifest } from '../registry/manifests.ts';
import { openRepository } from '../registry/repository.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  raw: { type: 'switch', help: 'print it byte for byte, as its digest is made of' },
  verbose: { short: 'v', type: 'switch', help: 'print its digest and media type too' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'manifest inspect' };

export const verb: Verb = {
  synopsis: 'manifest inspect [flags] NAME[:TAG|@DIGEST]',
  summary: 'Show what a name stands for at its registry',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  return forEach(rest, async (name) => {
    const reference = parseReference(name);
    using repository = await openRepository(reference, { env });
    const { bytes, digest, mediaType } = await fetchManifest(
      repository,
      reference.digest ?? reference.tag ?? '',
    );
    if (flags.raw) return print(bytes);
    const manifest: unknown = JSON.parse(bytes.toString());
    const shown = flags.verbose
      ? { Ref: name, Descriptor: { mediaType, digest, size: bytes.length }, Manifest: manifest }
      : manifest;
    print(`${JSON.stringify(shown, undefined, 3)}\n`);
  });
}
