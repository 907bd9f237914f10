/** `tsrun pull`: bring an image from a registry. */
import { type EnginePaths, prepareRoots } from '../engine/paths.ts';
import { familiarName, familiarRepository, fullName, parseReference } from '../image/reference.ts';
import { StorePaths } from '../image/store-paths.ts';
import { type PulledImage, pullImage } from '../registry/pull.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { PROGRESS_FLAGS, progressAsAsked, showProgress, whileShown } from './layer-progress.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  ...PROGRESS_FLAGS,
  platform: {
    type: 'text',
    value: 'OS/ARCH[/VARIANT]',
    help: 'for which machine, such as linux/arm64; this one when not given',
  },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'pull' };

export const verb: Verb = {
  synopsis: 'pull [flags] NAME[:TAG|@DIGEST]',
  summary: 'Bring an image from a registry',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  if (flags.json && flags.quiet) throw usage(SYNTAX, '--json and --quiet exclude each other');
  checkRoot('pull an image');
  prepareRoots(paths);
  return forEach(rest, async (name) => {
    const reference = parseReference(name);
    if (!flags.json && !flags.quiet)
      print(`${reference.tag ?? reference.digest}: Pulling from ${familiarRepository(reference)}\n`);
    const options = { env, platform: flags.platform };
    const pulled = await whileShown(progressAsAsked(flags), (steps) =>
      pullImage(new StorePaths(paths.dataRoot), name, { ...options, ...steps }),
    );
    print(flags.json ? resultAsJson(pulled) : flags.quiet ? `${fullName(reference)}\n` : result(pulled));
    if (!flags.json && !flags.quiet) print(`${fullName(reference)}\n`);
  });
}

function result({ reference, digest, isNew }: PulledImage): string {
  const status = isNew ? 'Downloaded newer image for' : 'Image is up to date for';
  return `Digest: ${digest}\nStatus: ${status} ${familiarName(reference)}\n`;
}

function resultAsJson({ reference, digest, image, isNew }: PulledImage): string {
  return `${JSON.stringify({ name: fullName(reference), digest, manifest: image.manifestDigest, id: image.id, new: isNew })}\n`;
}

/** For `tsrun run`: standard output belongs to the container, so all is said on standard error. */
export async function pullForRun(
  paths: EnginePaths,
  name: string,
  {
    env,
    quiet,
    missing,
  }: { readonly env: NodeJS.ProcessEnv; readonly quiet: boolean; readonly missing: boolean },
): Promise<void> {
  const { stderr } = process;
  if (missing && !quiet)
    stderr.write(`Unable to find image '${familiarName(parseReference(name))}' locally\n`);
  const pulled = await whileShown(quiet ? undefined : showProgress(stderr), (steps) =>
    pullImage(new StorePaths(paths.dataRoot), name, { env, ...steps }),
  );
  if (!quiet) stderr.write(result(pulled));
}
