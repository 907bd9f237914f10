/**
 * Removing what no image of the index needs any more. The order makes a crash harmless: the answer of `resolve` goes
 * first, then layers, then blobs; whatever is left over then is found by the next removal.
 */
import { rmSync, statSync } from 'node:fs';
import type { Digest, HostPath } from '../lib/brands.ts';
import { namesIn } from '../lib/files.ts';
import { type Descriptor, INDEX_TYPES, isDigest, MANIFEST_TYPES, parseIndex } from '../spec/image.ts';
import { hasBlob, readDocument } from './documents.ts';
import { ImageIndex } from './image-index.ts';
import { Layers } from './layers.ts';
import type { StorePaths } from './store-paths.ts';
import { readStoredImage } from './stored-image.ts';

/**
 * `usedLayers`: chain IDs that containers are mounted on; an image that a container uses also keeps its entry in the
 * index, so this is a second net. The caller has the store alone (see work.ts). Returns the bytes of the files that went.
 * Throws when an image is damaged.
 */
export function collectGarbage(paths: StorePaths, usedLayers: Iterable<Digest>): number {
  const orphans = findOrphans(paths, usedLayers);
  let bytes = 0;
  for (const path of orphans.resolved) rmSync(path, { force: true });
  const layers = new Layers(paths);
  for (const chainId of orphans.layers) {
    bytes += layers.info(chainId)?.sizeBytes ?? 0;
    layers.remove(chainId);
  }
  for (const digest of orphans.blobs) {
    bytes += statSync(paths.blob(digest)).size;
    rmSync(paths.blob(digest));
  }
  return bytes;
}

/** What is in the store and no image of the index needs. */
export interface Orphans {
  /** Paths in `resolved`. */
  readonly resolved: readonly HostPath[];
  /** Chain IDs. */
  readonly layers: readonly Digest[];
  readonly blobs: readonly Digest[];
}

/** Throws when an image is damaged: nobody can tell then what it needs. */
export function findOrphans(paths: StorePaths, usedLayers: Iterable<Digest>): Orphans {
  const there = {
    resolved: namesIn(paths.resolved).map((name) => `${paths.resolved}/${name}` as HostPath),
    layers: new Layers(paths).list(),
    blobs: listBlobs(paths),
  };
  const needed: Needed = { blobs: new Set(), layers: new Set(usedLayers), resolved: new Set() };
  for (const entry of new ImageIndex(paths).entries()) mark(paths, entry, needed);
  return {
    resolved: there.resolved.filter((path) => !needed.resolved.has(path)),
    layers: there.layers.filter((chainId) => !needed.layers.has(chainId)),
    blobs: there.blobs.filter((digest) => !needed.blobs.has(digest)),
  };
}

interface Needed {
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
  readonly resolved: Set<HostPath>;
}

function mark(paths: StorePaths, entry: Descriptor, needed: Needed): void {
  if (needed.blobs.has(entry.digest)) return;
  needed.blobs.add(entry.digest);
  if (INDEX_TYPES.has(entry.mediaType)) {
    const index = parseIndex(readDocument(paths, entry), entry.mediaType, `the index ${entry.digest}`);
    for (const child of index.manifests) if (hasBlob(paths, child)) mark(paths, child, needed);
  }
  if (!MANIFEST_TYPES.has(entry.mediaType)) return;
  needed.resolved.add(paths.resolvedImage(entry.digest));
  const { config, layers } = readStoredImage(paths, entry);
  needed.blobs.add(config.digest);
  for (const { blob, chainId } of layers) {
    needed.blobs.add(blob.digest);
    needed.layers.add(chainId);
  }
}

/** The digests that blobs are named by. */
export function listBlobs(paths: StorePaths): Digest[] {
  return namesIn(paths.blobs).flatMap((algorithm) =>
    namesIn(`${paths.blobs}/${algorithm}`)
      .map((name) => `${algorithm}:${name}`)
      .filter(isDigest),
  );
}
