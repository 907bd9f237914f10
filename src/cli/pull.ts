/** `tsrun pull`: bring an image from a registry. */
import { type EnginePaths, prepareRoots } from '../engine/paths.ts';
import { familiarName, familiarRepository, fullName, parseReference } from '../image/reference.ts';
import { StorePaths } from '../image/store-paths.ts';
import { type PulledImage, pullImage } from '../registry/pull.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { untilInterrupted } from './interrupt.ts';
import { JsonProgress, type Progress, showProgress } from './layer-progress.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  json: { type: 'switch', help: 'print what happens as JSON, one object a line' },
  platform: {
    type: 'text',
    value: 'OS/ARCH[/VARIANT]',
    help: 'for which machine, such as linux/arm64; this one when not given',
  },
  quiet: { short: 'q', type: 'switch', help: 'print only the name of the image' },
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
    const progress = flags.json
      ? new JsonProgress(print)
      : flags.quiet
        ? undefined
        : showProgress(process.stdout);
    const options = { env, platform: flags.platform };
    const pulled = await pullShowing(new StorePaths(paths.dataRoot), name, options, progress);
    print(flags.json ? resultAsJson(pulled) : flags.quiet ? `${fullName(reference)}\n` : result(pulled));
    if (!flags.json && !flags.quiet) print(`${fullName(reference)}\n`);
  });
}

interface What {
  readonly env: NodeJS.ProcessEnv;
  readonly platform?: string | undefined;
}

async function pullShowing(
  paths: StorePaths,
  name: string,
  options: What,
  progress: Progress | undefined,
): Promise<PulledImage> {
  try {
    return await untilInterrupted((signal) =>
      pullImage(paths, name, { ...options, signal, onLayer: (event) => progress?.onLayer(event) }),
    );
  } finally {
    progress?.finish();
  }
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
  const pulled = await pullShowing(
    new StorePaths(paths.dataRoot),
    name,
    { env },
    quiet ? undefined : showProgress(stderr),
  );
  if (!quiet) stderr.write(result(pulled));
}
