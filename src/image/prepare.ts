/** From a manifest in the store to an image that can be mounted: every layer unpacked and checked. */
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, parseImageConfig, parseManifest } from '../spec/image.ts';
import { parseJsonDocument } from '../spec/image-json.ts';
import { readBlob, syncBlobs } from './blobs.ts';
import { chainIds } from './chain-id.ts';
import { decompress } from './decompress.ts';
import { readDocument } from './documents.ts';
import { type LayerInfo, Layers } from './layers.ts';
import { lockMaking } from './making-lock.ts';
import { type ResolvedImage, readResolved, writeResolved } from './resolved.ts';
import type { StorePaths } from './store-paths.ts';

/** What a caller does, or shows, beside the unpacking of each layer. */
export interface LayerSteps {
  /** Resolves when the blob of the layer is in the store. */
  arrived(layer: Descriptor): Promise<void>;
  /** `known`: it was unpacked before. */
  unpacking(layer: Descriptor): void;
  unpacked(layer: Descriptor, known: boolean): void;
}

/** As {@link unpackImage}, and waits until the blobs are on the disk too, so that the image can be listed. */
export async function prepareImage(
  paths: StorePaths,
  entry: Descriptor,
  steps?: LayerSteps,
): Promise<ResolvedImage> {
  const image = await unpackImage(paths, entry, steps);
  const manifest = parseManifest(readDocument(paths, entry), entry.mediaType, `the manifest ${entry.digest}`);
  await syncBlobs(paths, [entry, manifest.config, ...manifest.layers]);
  return image;
}

/** Unpacks the layers that are not unpacked yet, lowest first. The caller works in the store (see work.ts). */
export async function unpackImage(
  paths: StorePaths,
  entry: Descriptor,
  steps?: LayerSteps,
): Promise<ResolvedImage> {
  const ready = readResolved(paths, entry.digest);
  if (ready) return ready;
  const layers = new Layers(paths);
  const manifest = parseManifest(readDocument(paths, entry), entry.mediaType, `the manifest ${entry.digest}`);
  const configBytes = readDocument(paths, manifest.config);
  const config = parseImageConfig(
    configBytes,
    manifest.layers.length,
    `the image config ${manifest.config.digest}`,
  );
  if (config.os !== 'linux') {
    throw new TsrunError(
      'IMAGE_PLATFORM',
      `Cannot use the image ${manifest.config.digest}: it is for ${config.os}`,
      {
        hint: 'only Linux images can run here',
      },
    );
  }
  const chain = chainIds(config.diffIds);
  const unpacked: LayerInfo[] = [];
  for (const [i, layer] of manifest.layers.entries()) {
    await steps?.arrived(layer);
    const chainId = chain[i] as Digest;
    const before = layers.info(chainId);
    if (before === undefined) steps?.unpacking(layer);
    unpacked.push(before ?? (await unpackOnce(layer, chainId, i)));
    steps?.unpacked(layer, before !== undefined);
  }
  const sizeBytes = unpacked.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  const image = { id: manifest.config.digest, manifestDigest: entry.digest, sizeBytes };
  return writeResolved(paths, image, parseJsonDocument(configBytes, 'the image config'), unpacked);

  async function unpackOnce(layer: Descriptor, chainId: Digest, i: number): Promise<LayerInfo> {
    using _lock = await lockMaking(paths, 'layer', chainId);
    const tar = () => decompress(readBlob(paths, layer));
    return layers.info(chainId) ?? (await layers.unpack(tar(), chain.slice(0, i), config.diffIds[i]));
  }
}
