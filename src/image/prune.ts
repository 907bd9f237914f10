/** `tsrun image prune`: images that nobody needs go, and what only they needed. */
import type { Digest } from '../lib/brands.ts';
import { type Descriptor, type ImageConfig, MANIFEST_TYPES } from '../spec/image.ts';
import { collectGarbage } from './gc.ts';
import { ImageIndex, nameOf } from './image-index.ts';
import { familiarName, parseReference } from './reference.ts';
import { forgetResolved, type ImageUse } from './remove.ts';
import type { StorePaths } from './store-paths.ts';
import { readStoredImage } from './stored-image.ts';
import { startRemoval } from './work.ts';

export interface PruneOptions {
  /** Images with names, too; otherwise only those that have lost their last one. */
  readonly all: boolean;
  /** Which of these go. */
  readonly matches: (image: ImageConfig) => boolean;
  /** What containers use; asked for once nobody else can start one. */
  readonly uses: () => readonly ImageUse[];
}

export interface PrunedImages {
  /** Names that went, in familiar form. */
  readonly untagged: readonly string[];
  /** Image IDs. */
  readonly deleted: readonly Digest[];
  readonly reclaimedBytes: number;
}

/** What a container uses stays, whether it runs or not. Throws when an image is damaged. */
export async function pruneImages(paths: StorePaths, options: PruneOptions): Promise<PrunedImages> {
  using work = await startRemoval(paths);
  const uses = options.uses();
  const untagged: string[] = [];
  const deleted = new Set<Digest>();
  new ImageIndex(paths).update((entries) => {
    const going = goingImages(paths, entries, options, uses);
    const rest = entries.filter((entry) => {
      const id = going.get(entry.digest);
      if (id === undefined) return true;
      deleted.add(id);
      const name = nameOf(entry);
      if (name !== undefined) untagged.push(familiarName(parseReference(name)));
      return false;
    });
    if (deleted.size === 0) return entries;
    forgetResolved(
      paths,
      entries.filter(({ digest }) => going.has(digest)),
    );
    return rest;
  });
  const used = uses.flatMap((use) => use.layers);
  const reclaimedBytes = collectGarbage(paths, used);
  work.done();
  return { untagged, deleted: [...deleted], reclaimedBytes };
}

/** Image IDs by manifest. */
function goingImages(
  paths: StorePaths,
  entries: readonly Descriptor[],
  { all, matches }: PruneOptions,
  uses: readonly ImageUse[],
): ReadonlyMap<Digest, Digest> {
  const used = new Set(uses.map(({ imageId }) => imageId));
  const tagged = new Set(entries.filter(hasTag).map((e) => e.digest));
  const going = new Map<Digest, Digest>();
  for (const entry of entries) {
    if (!MANIFEST_TYPES.has(entry.mediaType) || (tagged.has(entry.digest) && !all)) continue;
    const { config, image } = readStoredImage(paths, entry);
    if (!used.has(config.digest) && matches(image)) going.set(entry.digest, config.digest);
  }
  return going;
}

/** A name by digest is what is left of a pulled image when its tag has gone to another. */
function hasTag(entry: Descriptor): boolean {
  const name = nameOf(entry);
  return name !== undefined && parseReference(name).tag !== undefined;
}
