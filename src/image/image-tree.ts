/** `tsrun image tree`: what each layer of an image adds, changes and removes, and what of it nobody sees in the end. */
import type { Digest } from '../lib/brands.ts';
import { type LayerChange, layerChanges } from './layer-changes.ts';
import { Layers } from './layers.ts';
import type { StorePaths } from './store-paths.ts';
import type { StoredImage } from './stored-image.ts';
import type { ByteString } from './tar/bytes.ts';

export interface LayerOfTree {
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** The step that made it, as the image's history has it. */
  readonly createdBy: string;
  readonly sizeBytes: number;
  readonly changes: readonly LayerChange[];
  /** Bytes of lower layers that it hides. */
  readonly hiddenBytes: number;
}

/** A path that several layers have, or that one has and a later one removes. */
export interface WastedPath {
  readonly path: ByteString;
  /** How many layers had to do with it. */
  readonly layers: number;
  readonly bytes: number;
}

export interface ImageTree {
  readonly id: Digest;
  /** Lowest first. */
  readonly layers: readonly LayerOfTree[];
  readonly sizeBytes: number;
  readonly wastedBytes: number;
  /** Largest first. */
  readonly wasted: readonly WastedPath[];
}

/** All layers must be unpacked. */
export function treeOf(paths: StorePaths, { image, config, layers }: StoredImage): ImageTree {
  const unpacked = new Layers(paths);
  const steps = image.history.filter((step) => !step.empty_layer);
  const found = layers.map(({ diffId, chainId }, i): LayerOfTree => {
    const below = layers.slice(0, i).map((layer) => paths.diff(layer.chainId));
    const changes = [...layerChanges(paths.diff(chainId), below.reverse())];
    return {
      diffId,
      chainId,
      createdBy: steps[i]?.created_by ?? '',
      sizeBytes: unpacked.info(chainId)?.sizeBytes ?? 0,
      changes,
      hiddenBytes: sum(changes.map((change) => change.hiddenBytes)),
    };
  });
  return {
    id: config.digest,
    layers: found,
    sizeBytes: sum(found.map((layer) => layer.sizeBytes)),
    wastedBytes: sum(found.map((layer) => layer.hiddenBytes)),
    wasted: wastedPaths(found),
  };
}

function wastedPaths(layers: readonly LayerOfTree[]): WastedPath[] {
  const byPath = new Map<ByteString, { layers: number; bytes: number }>();
  for (const { path, hiddenBytes } of layers.flatMap(({ changes }) => changes)) {
    const known = byPath.get(path) ?? { layers: 0, bytes: 0 };
    byPath.set(path, { layers: known.layers + 1, bytes: known.bytes + hiddenBytes });
  }
  return [...byPath]
    .filter(([, { bytes }]) => bytes > 0)
    .map(([path, found]) => ({ path, ...found }))
    .sort((a, b) => b.bytes - a.bytes);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
