/** What an image consists of, read from its documents in the store. */
import type { Digest } from '../lib/brands.ts';
import { type Descriptor, type ImageConfig, parseImageConfig, parseManifest } from '../spec/image.ts';
import { chainIds } from './chain-id.ts';
import { readDocument } from './documents.ts';
import type { StorePaths } from './store-paths.ts';

export interface StoredLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
  /** Where it is unpacked. */
  readonly chainId: Digest;
}

export interface StoredImage {
  /** The descriptor of the manifest. */
  readonly manifest: Descriptor;
  /** The descriptor of the image config, whose digest is the image ID. */
  readonly config: Descriptor;
  readonly image: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly StoredLayer[];
}

/** `manifest`: the descriptor of a manifest. Throws IMAGE_DIGEST_MISMATCH or IMAGE_DOCUMENT_INVALID for a damaged document. */
export function readStoredImage(paths: StorePaths, manifest: Descriptor): StoredImage {
  const bytes = readDocument(paths, manifest);
  const { config, layers } = parseManifest(bytes, manifest.mediaType, `the manifest ${manifest.digest}`);
  const what = `the image config ${config.digest}`;
  const image = parseImageConfig(readDocument(paths, config), layers.length, what);
  const chain = chainIds(image.diffIds);
  return {
    manifest,
    config,
    image,
    layers: layers.map((blob, i) => ({
      blob,
      diffId: image.diffIds[i] as Digest,
      chainId: chain[i] as Digest,
    })),
  };
}
