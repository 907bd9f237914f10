/**
 * The image store: an OCI image layout, and layers unpacked once per chain ID. This file is on the way of every
 * `tsrun run`, so what only other verbs need is loaded when they are called.
 *
 *   archive ─► blobs (by digest) ─► layers (by chain ID) ─► index.json (by name) ─► resolve ─► overlayfs
 */
import { mkdirSync } from 'node:fs';
import type { Digest, HostPath } from '../lib/brands.ts';
import type { ArchiveInput } from './archive/open.ts';
import type { CheckOptions, CheckResult } from './check.ts';
import { findImage, imageId } from './find.ts';
import type { HistoryStep } from './history.ts';
import type { ImageDifference } from './image-diff.ts';
import { ImageIndex, nameOf, withName } from './image-index.ts';
import type { ImageTree } from './image-tree.ts';
import type { ImportOptions } from './import.ts';
import type { ImageInspection } from './inspect.ts';
import type { ImageSummary } from './list.ts';
import type { LoadedImage } from './load.ts';
import { FileLock } from './locks.ts';
import type { PrunedImages, PruneOptions } from './prune.ts';
import { familiarName, fullName, parseReference } from './reference.ts';
import type { ImageUse, RemovedImage, RemoveOptions } from './remove.ts';
import { type ResolvedImage, readResolved } from './resolved.ts';
import { StorePaths } from './store-paths.ts';
import type { StoredImage } from './stored-image.ts';
import type { ImagesUsage } from './usage.ts';

/** Touches nothing: the store's directories are made by the first verb that writes. */
export function openImageStore(dataRoot: HostPath): ImageStore {
  return new ImageStore(dataRoot);
}

export class ImageStore {
  readonly paths: StorePaths;
  readonly #index: ImageIndex;

  constructor(dataRoot: HostPath) {
    this.paths = new StorePaths(dataRoot);
    this.#index = new ImageIndex(this.paths);
  }

  /**
   * The image called `text` (a name, or the beginning of an image ID), or undefined when it is here but not all its
   * layers are unpacked. Throws IMAGE_NOT_FOUND, IMAGE_ID_AMBIGUOUS or IMAGE_REFERENCE_INVALID.
   */
  resolveUnpacked(text: string): ResolvedImage | undefined {
    const { entry } = findImage(this.#index.entries(), this.paths, text);
    return readResolved(this.paths, entry.digest);
  }

  /** As {@link resolveUnpacked}, and unpacks what is missing: another tool may have put the image into the layout. */
  async resolve(text: string): Promise<ResolvedImage> {
    const ready = this.resolveUnpacked(text);
    if (ready) return ready;
    const [{ unpackImage }, { startWork }] = await Promise.all([import('./prepare.ts'), import('./work.ts')]);
    using work = await startWork(this.paths);
    const image = await unpackImage(this.paths, findImage(this.#index.entries(), this.paths, text).entry);
    work.done();
    return image;
  }

  /**
   * Keeps every image from being removed until disposed of: held from `resolve` until the container is on record.
   * Waits while a removal goes on.
   */
  async hold(): Promise<Disposable> {
    mkdirSync(this.paths.root, { recursive: true });
    return FileLock.wait(this.paths.workLock, 'shared');
  }

  /** Images of a docker-archive, an oci-archive or an OCI directory; plain, gzip or zstd. */
  async load(input: ArchiveInput): Promise<LoadedImage[]> {
    const { loadImages } = await import('./load.ts');
    return loadImages(this.paths, input);
  }

  /** An image of one layer from a tar of a root file system. Returns its ID. */
  async import(input: ArchiveInput, options: ImportOptions = {}): Promise<Digest> {
    const { importImage } = await import('./import.ts');
    return importImage(this.paths, input, options);
  }

  async list(): Promise<ImageSummary[]> {
    const { listImages } = await import('./list.ts');
    return listImages(this.paths);
  }

  /** The room on the disk that images take. Throws when an image is damaged. */
  async measure(uses: readonly ImageUse[]): Promise<ImagesUsage> {
    const { measureImages } = await import('./usage.ts');
    return measureImages(this.paths, uses);
  }

  /** Holds everything in the store against what its name or its documents say. */
  async check(options: CheckOptions): Promise<CheckResult> {
    const { checkStore } = await import('./check.ts');
    return checkStore(this.paths, options);
  }

  /** The steps that made the image `text`, newest first. */
  async history(text: string): Promise<HistoryStep[]> {
    const { historyOf } = await import('./history.ts');
    return historyOf(this.paths, await this.#stored(text));
  }

  /** What each layer of the image `text` does to those below it. Unpacks it when it is not yet. */
  async tree(text: string): Promise<ImageTree> {
    const { treeOf } = await import('./image-tree.ts');
    using _lock = await this.hold();
    await this.resolve(text);
    return treeOf(this.paths, await this.#stored(text));
  }

  /** What the image `after` has other than `before`: paths, and the parts of the configuration. */
  async diff(before: string, after: string): Promise<ImageDifference> {
    const { imageDifference } = await import('./image-diff.ts');
    using _lock = await this.hold();
    return imageDifference(await this.resolve(before), await this.resolve(after));
  }

  /** Writes images as one archive, by names or IDs. */
  async save(texts: readonly string[], write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const { saveImages } = await import('./save.ts');
    return saveImages(this.paths, texts, write);
  }

  /** Removes the images that no container uses and that `isWanted` does not keep. */
  async prune(options: PruneOptions): Promise<PrunedImages> {
    const { pruneImages } = await import('./prune.ts');
    return pruneImages(this.paths, options);
  }

  /** Gives the image `text` one more name. */
  tag(text: string, name: string): void {
    const reference = parseReference(name);
    this.#index.update((entries) => {
      const { entry } = findImage(entries, this.paths, text);
      return withName(entries, entry, fullName(reference));
    });
  }

  async remove(text: string, options: RemoveOptions): Promise<RemovedImage> {
    const { removeImage } = await import('./remove.ts');
    return removeImage(this.paths, text, options);
  }

  async inspect(text: string): Promise<ImageInspection> {
    const [image, { inspectImage }] = [await this.resolve(text), await import('./inspect.ts')];
    return inspectImage(image, this.namesOf(image.id));
  }

  async #stored(text: string): Promise<StoredImage> {
    const { readStoredImage } = await import('./stored-image.ts');
    return readStoredImage(this.paths, findImage(this.#index.entries(), this.paths, text).entry);
  }

  /** The names of an image, by its ID, in familiar form. */
  namesOf(id: Digest): string[] {
    const entries = this.#index.entries().filter((entry) => imageId(entry, this.paths) === id);
    return entries.flatMap((entry) => nameOf(entry) ?? []).map((name) => familiarName(parseReference(name)));
  }
}
