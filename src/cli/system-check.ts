/** `tsrun system check`: whether the images in the store are what they should be. */
import { imageUses } from '../engine/container-store.ts';
import type { CheckResult, StoreProblem } from '../image/check.ts';
import { openImageStore } from '../image/store.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { pullImage } from '../registry/pull.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileFormat } from './format-template.ts';
import { print } from './print.ts';
import { humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  repair: {
    type: 'switch',
    help: 'unpack broken layers again, pull broken blobs again',
  },
  format: { type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Problems}}'" },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'system check' };

export const verb: Verb = {
  synopsis: 'system check [flags]',
  summary: 'Hash every blob and compare every unpacked layer with its blob',
  flags: FLAGS,
  run,
};

/** 0 when all is sound, or has been mended. */
async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  checkRoot('check the store');
  const store = openImageStore(paths.dataRoot);
  const result = await store.check({
    repair: flags.repair,
    uses: () => imageUses(paths),
    pull: (reference) => pullImage(store.paths, reference, { env, onLayer: () => undefined }),
  });
  const row = asRow(result);
  print(flags.format === undefined ? asText(result) : compileFormat(flags.format, Object.keys(row))(row));
  return result.problems.every(({ repaired }) => repaired) ? 0 : 1;
}

function asRow({ images, blobs, blobBytes, layers, layerBytes, problems }: CheckResult) {
  return {
    Images: images,
    Blobs: blobs,
    BlobBytes: blobBytes,
    Layers: layers,
    LayerBytes: layerBytes,
    Problems: problems.map(({ kind, subject, problem, images: names, repair, repaired }) => ({
      Kind: kind,
      Subject: subject,
      Problem: problem,
      Images: names,
      ...(repair === undefined ? {} : { Repair: repair }),
      Repaired: repaired,
    })),
  };
}

function asText({ images, blobs, blobBytes, layers, layerBytes, problems }: CheckResult): string {
  const left = problems.filter(({ repaired }) => !repaired).length;
  const verdict =
    problems.length === 0
      ? 'No problems'
      : `${problems.length} problem${problems.length === 1 ? '' : 's'}${left < problems.length ? `, ${left} left` : ''}`;
  const checked = [
    `Images: ${images}`,
    `Blobs: ${blobs} (${humanSize(blobBytes)})`,
    `Unpacked layers: ${layers} (${humanSize(layerBytes)})`,
  ];
  return [...checked, ...problems.flatMap(problemLines), verdict].map((line) => `${line}\n`).join('');
}

function problemLines({ kind, subject, problem, images, repair }: StoreProblem): readonly string[] {
  const needed = images.length === 0 || images[0] === subject ? '' : ` (of ${images.join(', ')})`;
  return [
    `broken: ${kind} ${escapeForTerminal(`${subject}${needed}: ${problem}`)}`,
    ...(repair === undefined ? [] : [`  repair: ${repair}`]),
  ];
}
