/**
 * Removing what no image of the index needs any more. The order makes a crash harmless: the answer of `resolve` goes
 * first, then layers, then blobs; whatever is left over then is found by the next removal.
 */
import { readdirSync, rmSync } from 'node:fs';
import type { Digest } from '../lib/brands.ts';
import {
  type Descriptor,
  INDEX_TYPES,
  isDigest,
  MANIFEST_TYPES,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../spec/image.ts';
import { chainIds } from './chain-id.ts';
import { hasBlob, readDocument } from './documents.ts';
import { ImageIndex } from './image-index.ts';
import { Layers } from './layers.ts';
import type { StorePaths } from './store-paths.ts';

/**
 * `usedLayers`: chain IDs that containers are mounted on; an image that a container uses also keeps its entry in the
 * index, so this is a second net. The caller has the store alone (see work.ts). Throws when an image is damaged.
 */
export function collectGarbage(paths: StorePaths, usedLayers: Iterable<Digest>): void {
  const needed: Needed = { blobs: new Set(), layers: new Set(usedLayers), resolved: new Set() };
  for (const entry of new ImageIndex(paths).entries()) mark(paths, entry, needed);

  const resolvedNames = new Set([...needed.resolved].map((digest) => paths.resolvedImage(digest)));
  for (const name of readdirSync(paths.resolved)) {
    const path = `${paths.resolved}/${name}`;
    if (!(resolvedNames as Set<string>).has(path)) rmSync(path, { force: true });
  }
  const layers = new Layers(paths);
  for (const chainId of layers.list()) if (!needed.layers.has(chainId)) layers.remove(chainId);
  for (const digest of listBlobs(paths))
    if (!needed.blobs.has(digest)) rmSync(paths.blob(digest), { force: true });
}

interface Needed {
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
  readonly resolved: Set<Digest>;
}

function mark(paths: StorePaths, entry: Descriptor, needed: Needed): void {
  if (needed.blobs.has(entry.digest)) return;
  needed.blobs.add(entry.digest);
  const what = `the document ${entry.digest}`;
  if (INDEX_TYPES.has(entry.mediaType)) {
    const index = parseIndex(readDocument(paths, entry), entry.mediaType, what);
    for (const child of index.manifests) if (hasBlob(paths, child)) mark(paths, child, needed);
  }
  if (!MANIFEST_TYPES.has(entry.mediaType)) return;
  needed.resolved.add(entry.digest);
  const manifest = parseManifest(readDocument(paths, entry), entry.mediaType, what);
  needed.blobs.add(manifest.config.digest);
  for (const layer of manifest.layers) needed.blobs.add(layer.digest);
  const config = parseImageConfig(readDocument(paths, manifest.config), manifest.layers.length, what);
  for (const chainId of chainIds(config.diffIds)) needed.layers.add(chainId);
}

function listBlobs(paths: StorePaths): Digest[] {
  return readdirSync(paths.blobs).flatMap((algorithm) =>
    readdirSync(`${paths.blobs}/${algorithm}`)
      .map((name) => `${algorithm}:${name}`)
      .filter(isDigest),
  );
}
