/** `tsrun image tree`: what each layer of an image adds, changes and removes, and what it wastes. */
import type { ImageTree, LayerOfTree } from '../image/image-tree.ts';
import type { LayerChange } from '../image/layer-changes.ts';
import { openImageStore } from '../image/store.ts';
import { shownName } from '../image/tar/bytes.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { changeTree, type TreeShape } from './change-tree.ts';
import { painter } from './colours.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import { humanSize } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  depth: {
    short: 'd',
    type: 'text',
    value: 'LEVELS',
    help: 'levels of directories that are shown; 2 when not given',
  },
  all: { short: 'a', type: 'switch', help: 'show everything, not only the largest' },
  format: { type: 'text', value: 'FORMAT', help: "'json'" },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'image tree' };

export const verb: Verb = {
  synopsis: 'image tree [flags] IMAGE',
  summary: 'Show what each layer of an image adds, changes and wastes',
  flags: FLAGS,
  run,
};

const DEPTH = 2;
const ENTRIES = 8;
const WASTED_PATHS = 10;

async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  if (flags.format !== undefined && flags.format !== 'json') throw usage(SYNTAX, "--format takes 'json'");
  const shape: TreeShape = {
    depth: depthOf(flags.depth, flags.all),
    entries: flags.all ? Number.POSITIVE_INFINITY : ENTRIES,
    paint: painter(env),
  };
  checkRoot('read the layers of an image');
  const tree = await openImageStore(paths.dataRoot).tree(rest[0] ?? '');
  print(flags.format === 'json' ? asJson(tree) : asText(tree, shape));
  return 0;
}

function depthOf(text: string | undefined, all: boolean): number {
  if (text === undefined) return all ? Number.POSITIVE_INFINITY : DEPTH;
  if (!/^[1-9][0-9]{0,3}$/.test(text))
    throw usage(SYNTAX, `--depth takes a number from 1, not ${JSON.stringify(text)}`);
  return Number(text);
}

function asText(tree: ImageTree, shape: TreeShape): string {
  const { layers, sizeBytes, wastedBytes, wasted, id } = tree;
  const { paint } = shape;
  const head = [
    paint('strong', id),
    `${layers.length} layer${layers.length === 1 ? '' : 's'}, ${humanSize(sizeBytes)}; ${humanSize(wastedBytes)} wasted, ${usefulPercent(tree)} useful`,
  ];
  const shown = shape.entries === Number.POSITIVE_INFINITY ? wasted : wasted.slice(0, WASTED_PATHS);
  const waste = shown.map(
    ({ path, layers: count, bytes }) =>
      `${humanSize(bytes).padStart(8)}  in ${count} layers  /${shownName(path)}`,
  );
  const lines = [
    ...head,
    ...layers.flatMap((layer, i) => layerLines(layer, i + 1, shape)),
    ...(waste.length === 0 ? [] : ['', paint('strong', 'Wasted'), ...waste]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function layerLines(layer: LayerOfTree, number: number, shape: TreeShape): string[] {
  const { diffId, createdBy, sizeBytes, changes, hiddenBytes } = layer;
  const step = createdBy === '' ? '' : `  ${escapeForTerminal(createdBy.replace(/\s+/g, ' ')).slice(0, 100)}`;
  const hides = hiddenBytes === 0 ? '' : `; hides ${humanSize(hiddenBytes)} of the layers below`;
  return [
    '',
    `${shape.paint('strong', `Layer ${number}`)}  ${diffId.slice(0, 19)}  ${humanSize(sizeBytes)}${step}`,
    `${(['added', 'changed', 'removed'] as const).map((kind) => shape.paint(kind, `${count(changes, kind)} ${kind}`)).join(', ')}${hides}`,
    ...changeTree(changes, shape),
  ];
}

function count(changes: readonly LayerChange[], kind: LayerChange['kind']): number {
  return changes.filter((change) => change.kind === kind).length;
}

/** The share of the layers' bytes that a container sees. */
function usefulPercent({ sizeBytes, wastedBytes }: ImageTree): string {
  return `${sizeBytes === 0 ? 100 : Math.floor((1000 * (sizeBytes - wastedBytes)) / sizeBytes) / 10}%`;
}

function asJson({ id, layers, sizeBytes, wastedBytes, wasted }: ImageTree): string {
  return `${JSON.stringify({
    Id: id,
    SizeBytes: sizeBytes,
    WastedBytes: wastedBytes,
    Layers: layers.map((layer) => ({
      DiffId: layer.diffId,
      ChainId: layer.chainId,
      CreatedBy: layer.createdBy,
      SizeBytes: layer.sizeBytes,
      HiddenBytes: layer.hiddenBytes,
      Changes: layer.changes.map(({ path, kind, sizeBytes: bytes, hiddenBytes }) => ({
        Path: `/${shownName(path)}`,
        Kind: kind,
        SizeBytes: bytes,
        HiddenBytes: hiddenBytes,
      })),
    })),
    Wasted: wasted.map(({ path, layers: count, bytes }) => ({
      Path: `/${shownName(path)}`,
      Layers: count,
      Bytes: bytes,
    })),
  })}\n`;
}
