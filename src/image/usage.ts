/** `tsrun system df`: the room that images take, their own and what they share. */
import type { Digest } from '../lib/brands.ts';
import { MANIFEST_TYPES } from '../spec/image.ts';
import { ImageIndex, nameOf } from './image-index.ts';
import { Layers } from './layers.ts';
import { familiarName, parseReference } from './reference.ts';
import type { ImageUse } from './remove.ts';
import type { StorePaths } from './store-paths.ts';
import { readStoredImage, type StoredImage } from './stored-image.ts';

export interface ImageUsage {
  readonly id: Digest;
  /** In familiar form. */
  readonly names: readonly string[];
  /** RFC 3339, as the image says. */
  readonly created: string | undefined;
  /** Unpacked files, and the blobs that they came from. */
  readonly sizeBytes: number;
  /** The part of it that other images have, too. */
  readonly sharedBytes: number;
  readonly containers: number;
}

export interface ImagesUsage {
  readonly images: readonly ImageUsage[];
  /** What is shared counts once. */
  readonly sizeBytes: number;
  /** What goes when every image without a container goes. */
  readonly reclaimableBytes: number;
}

/** Throws when an image is damaged. */
export function measureImages(paths: StorePaths, uses: readonly ImageUse[]): ImagesUsage {
  const images = listStored(paths).map(({ image, names }) => ({
    image,
    names,
    parts: partsOf(paths, image),
  }));
  const owners = new Map<string, number>();
  for (const { parts } of images) for (const key of parts.keys()) owners.set(key, (owners.get(key) ?? 0) + 1);
  const containersOf = (id: Digest) => uses.filter(({ imageId }) => imageId === id).length;
  const all = new Map(images.flatMap(({ parts }) => [...parts]));
  const used = new Map(
    images.flatMap(({ image, parts }) => (containersOf(image.config.digest) > 0 ? [...parts] : [])),
  );
  return {
    images: images.map(({ image, names, parts }) => ({
      id: image.config.digest,
      names,
      created: image.image.created,
      sizeBytes: sum(parts),
      sharedBytes: sum([...parts].filter(([key]) => (owners.get(key) ?? 0) > 1)),
      containers: containersOf(image.config.digest),
    })),
    sizeBytes: sum(all),
    reclaimableBytes: sum(all) - sum(used),
  };
}

/** Each image once, whatever the number of its names. */
function listStored(paths: StorePaths): { image: StoredImage; names: string[] }[] {
  const found = new Map<Digest, { image: StoredImage; names: string[] }>();
  for (const entry of new ImageIndex(paths).entries()) {
    if (!MANIFEST_TYPES.has(entry.mediaType)) continue;
    const image = readStoredImage(paths, entry);
    const known = found.get(image.config.digest) ?? { image, names: [] };
    const name = nameOf(entry);
    if (name !== undefined) known.names.push(familiarName(parseReference(name)));
    found.set(image.config.digest, known);
  }
  return [...found.values()];
}

/** Bytes of everything that the image needs in the store. */
function partsOf(paths: StorePaths, { manifest, config, layers }: StoredImage): Map<string, number> {
  const unpacked = new Layers(paths);
  const blobs = [manifest, config, ...layers.map(({ blob }) => blob)];
  return new Map([
    ...blobs.map(({ digest, size }) => [`blob ${digest}`, size] as const),
    ...layers.map(({ chainId }) => [`layer ${chainId}`, unpacked.info(chainId)?.sizeBytes ?? 0] as const),
  ]);
}

function sum(parts: Iterable<readonly [string, number]>): number {
  let bytes = 0;
  for (const [, size] of parts) bytes += size;
  return bytes;
}
