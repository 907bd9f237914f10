/** Whether an unpacked layer is what its blob makes of it. */
import { chmodSync, mkdirSync, readlinkSync } from 'node:fs';
import { removeTree } from '../kernel/remove-tree.ts';
import type { Digest, HostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { namesIn } from '../lib/files.ts';
import { readBlob } from './blobs.ts';
import { compareTrees } from './compare-trees.ts';
import { decompress } from './decompress.ts';
import { temporaryPath } from './durable.ts';
import { type LayerInfo, Layers } from './layers.ts';
import { hex, type StorePaths } from './store-paths.ts';
import type { StoredLayer } from './stored-image.ts';
import { printable } from './tar/bytes.ts';
import { DEFAULT_LIMITS } from './unpack/apply.ts';
import { unpackLayer } from './unpack/unpack-layer.ts';

/** layer.json of a layer that is unpacked, or what is wrong with it. `below`: the next lower layer. */
export function readLayerInfo(
  paths: StorePaths,
  layer: StoredLayer,
  below: StoredLayer | undefined,
): LayerInfo | string {
  try {
    const info = new Layers(paths).info(layer.chainId);
    if (info === undefined) return 'its layer.json is missing';
    if (info.chainId !== layer.chainId || info.diffId !== layer.diffId || info.parent !== below?.chainId)
      return 'its layer.json belongs to another layer';
    return leadsTo(`${paths.links}/${info.link}`, layer.chainId)
      ? info
      : `its short name ${info.link} does not lead to it`;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    return error.message;
  }
}

/**
 * Unpacks the layer from its blob, on top of `below` (lowest first), and compares: the first difference in words, or
 * undefined when there is none. Takes as much time and space as unpacking it does.
 */
export async function differenceOfLayer(
  paths: StorePaths,
  layer: StoredLayer,
  below: readonly StoredLayer[],
  info: LayerInfo,
): Promise<string | undefined> {
  const into = temporaryPath(paths, 'check');
  mkdirSync(into);
  chmodSync(into, 0o755); // as Layers.unpack begins, whatever the umask
  try {
    const { sizeBytes, entries } = await unpackLayer({
      tar: decompress(readBlob(paths, layer.blob)),
      into,
      lower: below.toReversed().map(({ chainId }) => paths.diff(chainId)),
      limits: DEFAULT_LIMITS,
      sync: false,
      expected: layer.diffId,
    });
    if (sizeBytes !== info.sizeBytes || entries !== info.entries)
      return `its layer.json says ${info.entries} entries and ${info.sizeBytes} bytes, not ${entries} and ${sizeBytes}`;
    const [first, ...others] = compareTrees(paths.diff(layer.chainId), into);
    if (first === undefined) return undefined;
    const more = others.length === 0 ? '' : `, and ${others.length} more`;
    return `${printable(first.path)}: ${first.problem}${more}`;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    return error.message;
  } finally {
    removeTree(into);
  }
}

/** The short name of a layer, by where it leads: layer.json may be what is broken. */
export function linkTo(paths: StorePaths, chainId: Digest): HostPath | undefined {
  const links = namesIn(paths.links).map((name) => `${paths.links}/${name}` as HostPath);
  return links.find((link) => leadsTo(link, chainId));
}

function leadsTo(link: string, chainId: Digest): boolean {
  try {
    return readlinkSync(link) === `../sha256/${hex(chainId)}/diff`;
  } catch {
    return false; // whatever stands there, it is not the link that should
  }
}
