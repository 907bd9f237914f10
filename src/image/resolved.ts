/**
 * What a container needs of an image, in one small file for each image: written when all its layers are unpacked, and
 * removed before any of them goes. Starting a container then costs two file reads and no hashing.
 */
import { readFileSync } from 'node:fs';
import type { Digest, HostPath } from '../lib/brands.ts';
import { errnoOf } from '../lib/errors.ts';
import { asDigest, asImageConfig, type ImageConfig } from '../spec/image.ts';
import { asArray, asObject, asSize, asString, field, parseJsonDocument } from '../spec/image-json.ts';
import { writeFileDurably } from './durable.ts';
import type { StorePaths } from './store-paths.ts';

export interface ResolvedLayer {
  readonly chainId: Digest;
  /** The layer's directory, for overlayfs' lowerdir. */
  readonly diffPath: HostPath;
  /** Its short name: `<data root>/layers/l/<link>` leads to the same directory. */
  readonly link: string;
}

export interface ResolvedImage {
  /** Digest of the image config: Docker's image ID. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly ResolvedLayer[];
  /** Sum of the sizes of the files in all layers. */
  readonly sizeBytes: number;
}

export function readResolved(paths: StorePaths, manifest: Digest): ResolvedImage | undefined {
  const path = paths.resolvedImage(manifest);
  try {
    return parse(paths, readFileSync(path), path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** `config` is the image config as the image has it (JSON), so that reading it again loses nothing. */
export function writeResolved(
  paths: StorePaths,
  image: Omit<ResolvedImage, 'config' | 'layers'>,
  config: unknown,
  layers: readonly { readonly chainId: Digest; readonly link: string }[],
): ResolvedImage {
  const document = {
    ...image,
    config,
    layers: layers.map(({ chainId, link }) => ({ chainId, link })),
  };
  const bytes = Buffer.from(JSON.stringify(document));
  const path = paths.resolvedImage(image.manifestDigest);
  writeFileDurably(paths, path, bytes);
  return parse(paths, bytes, path);
}

function parse(paths: StorePaths, bytes: Buffer, what: string): ResolvedImage {
  const object = asObject(parseJsonDocument(bytes, what), what);
  return {
    id: asDigest(field(object, 'id'), `${what}.id`),
    manifestDigest: asDigest(field(object, 'manifestDigest'), `${what}.manifestDigest`),
    config: asImageConfig(field(object, 'config'), `${what}.config`),
    sizeBytes: asSize(field(object, 'sizeBytes'), `${what}.sizeBytes`),
    layers: asArray(field(object, 'layers'), `${what}.layers`, (value, where) => {
      const layer = asObject(value, where);
      const chainId = asDigest(field(layer, 'chainId'), `${where}.chainId`);
      return {
        chainId,
        diffPath: paths.diff(chainId),
        link: asString(field(layer, 'link'), `${where}.link`),
      };
    }),
  };
}
