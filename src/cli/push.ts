/** `tsrun push`: bring an image to a registry. */
import { familiarRepository, fullName, parseReference } from '../image/reference.ts';
import { StorePaths } from '../image/store-paths.ts';
import { type PushedImage, pushImage, tagsOf } from '../registry/push.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { PROGRESS_FLAGS, progressAsAsked, whileShown } from './layer-progress.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  'all-tags': { short: 'a', type: 'switch', help: 'push every tag of the repository' },
  ...PROGRESS_FLAGS,
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'push' };

export const verb: Verb = {
  synopsis: 'push [flags] NAME[:TAG]',
  summary: 'Bring an image to a registry',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  if (flags.json && flags.quiet) throw usage(SYNTAX, '--json and --quiet exclude each other');
  checkRoot('push an image');
  const store = new StorePaths(paths.dataRoot);
  const [name = ''] = rest;
  const tags = flags['all-tags'] ? tagsOf(store, name) : [];
  return forEach(tags.length > 0 ? tags : [name], async (each) => {
    const talks = !flags.json && !flags.quiet;
    if (talks) print(`The push refers to repository [${familiarRepository(parseReference(each))}]\n`);
    const pushed = await whileShown(progressAsAsked(flags), (steps) =>
      pushImage(store, each, { env, ...steps }),
    );
    print(
      flags.json ? resultAsJson(pushed) : flags.quiet ? `${fullName(pushed.reference)}\n` : result(pushed),
    );
  });
}

function result({ reference, digest, sizeBytes }: PushedImage): string {
  return `${reference.tag}: digest: ${digest} size: ${sizeBytes}\n`;
}

function resultAsJson({ reference, digest, sizeBytes }: PushedImage): string {
  return `${JSON.stringify({ name: fullName(reference), digest, size: sizeBytes })}\n`;
}
