/**
 * One pass over the store: blobs are hashed, documents read, layers unpacked once more beside the ones in use and compared with them
 * file by file.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { removeTree } from '../kernel/remove-tree.ts';
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { namesIn } from '../lib/files.ts';
import { type Descriptor, MANIFEST_TYPES } from '../spec/image.ts';
import { readBlob } from './blobs.ts';
import type { CheckOptions, CheckResult, StoreProblem } from './check.ts';
import { differenceOfLayer, linkTo, readLayerInfo } from './check-layer.ts';
import { type BlobFacts, hasBlob } from './documents.ts';
import { collectGarbage, findOrphans, listBlobs } from './gc.ts';
import { ImageIndex, nameOf } from './image-index.ts';
import { Layers } from './layers.ts';
import { unpackImage } from './prepare.ts';
import { familiarName, fullName, parseReference, withoutTag } from './reference.ts';
import type { ImageUse } from './remove.ts';
import { readResolved } from './resolved.ts';
import type { StorePaths } from './store-paths.ts';
import { readStoredImage, type StoredImage, type StoredLayer } from './stored-image.ts';
import { isWorkMark } from './work.ts';

interface Found {
  readonly kind: StoreProblem['kind'];
  readonly subject: string;
  readonly problem: string;
  readonly images?: readonly string[];
  /** Does what can be done and says what it was. */
  readonly repair?: () => Promise<Repair> | Repair;
}

interface Repair {
  readonly done: string;
  readonly sound: boolean;
}

/** Whoever makes it has a lock of the store, for a repair the whole store (see work.ts). */
export class StoreCheck {
  readonly #paths: StorePaths;
  readonly #repair: boolean;
  readonly #uses: readonly ImageUse[];
  readonly #entries: readonly Descriptor[];
  readonly #images: { readonly name: string; readonly image: StoredImage }[] = [];
  readonly #problems: StoreProblem[] = [];
  readonly #brokenBlobs = new Set<Digest>();
  /** Manifests of images that miss a blob now, or have one that is broken. */
  readonly #lost = new Set<Digest>();
  /** Chain IDs of layers that are not what they should be, or cannot be looked at. */
  readonly #brokenLayers = new Set<Digest>();
  #blobs = 0;
  #blobBytes = 0;
  #layers = 0;
  #layerBytes = 0;

  constructor(paths: StorePaths, { repair, uses }: CheckOptions) {
    this.#paths = paths;
    this.#repair = repair;
    this.#uses = uses();
    this.#entries = new ImageIndex(paths).entries();
  }

  async run(): Promise<CheckResult> {
    await this.#checkDocuments();
    for (const digest of listBlobs(this.#paths)) await this.#checkBlob(digest);
    await this.#checkLayers();
    await this.#checkResolved();
    await this.#checkContainers();
    await this.#checkOrphans();
    return {
      images: this.#images.length,
      blobs: this.#blobs,
      blobBytes: this.#blobBytes,
      layers: this.#layers,
      layerBytes: this.#layerBytes,
      problems: this.#problems,
    };
  }

  /** References, by digest, of the images that must be pulled to be whole. */
  lost(): readonly string[] {
    const references = this.#entries
      .filter(({ digest }) => this.#lost.has(digest))
      .flatMap((entry) => {
        const name = nameOf(entry);
        return name === undefined
          ? []
          : [fullName({ ...withoutTag(parseReference(name)), digest: entry.digest })];
      });
    return [...new Set(references)];
  }

  async #found({ kind, subject, problem, images = [], repair }: Found): Promise<void> {
    const { done, sound } =
      this.#repair && repair !== undefined ? await repair() : { done: undefined, sound: false };
    this.#problems.push({ kind, subject, problem, images, repair: done, repaired: sound });
  }

  /** Manifests and configs, and whether the blobs that they name are there. */
  async #checkDocuments(): Promise<void> {
    const seen = new Set<Digest>();
    for (const entry of this.#entries) {
      if (!MANIFEST_TYPES.has(entry.mediaType) || seen.has(entry.digest)) continue;
      seen.add(entry.digest);
      const name = this.#nameOf(entry);
      try {
        this.#images.push({ name, image: readStoredImage(this.#paths, entry) });
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
        await this.#found({
          kind: 'image',
          subject: name,
          problem: error.message,
          images: [name],
          repair: () => this.#lose(entry.digest),
        });
      }
    }
    for (const { image } of this.#images)
      for (const { blob } of image.layers) await this.#checkPresence(blob);
  }

  async #checkPresence(blob: BlobFacts): Promise<void> {
    if (hasBlob(this.#paths, blob) || this.#brokenBlobs.has(blob.digest)) return;
    const there = existsSync(this.#paths.blob(blob.digest));
    this.#brokenBlobs.add(blob.digest);
    if (there) return; // its digest will be wrong, too
    await this.#found({
      kind: 'blob',
      subject: blob.digest,
      problem: 'it is missing',
      images: this.#imagesWithBlob(blob.digest),
      repair: () => this.#loseBlob(blob.digest),
    });
  }

  async #checkBlob(digest: Digest): Promise<void> {
    const path = this.#paths.blob(digest);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return; // another process has just removed it
    this.#blobs++;
    this.#blobBytes += stat.size;
    try {
      for await (const _piece of readBlob(this.#paths, { digest, size: stat.size }));
    } catch (error) {
      if (!(error instanceof TsrunError)) throw error;
      this.#brokenBlobs.add(digest);
      await this.#found({
        kind: 'blob',
        subject: digest,
        problem: error.message,
        images: this.#imagesWithBlob(digest),
        repair: () => {
          rmSync(path);
          return this.#loseBlob(digest);
        },
      });
    }
  }

  #loseBlob(digest: Digest): Repair {
    for (const { image } of this.#images) if (needsBlob(image, digest)) this.#lose(image.manifest.digest);
    return { done: 'removed; load or pull the image again to have it back', sound: false };
  }

  /** What says that the image is ready goes: else it would not be brought again. */
  #lose(manifest: Digest): Repair {
    this.#lost.add(manifest);
    rmSync(this.#paths.resolvedImage(manifest), { force: true });
    return { done: 'load or pull the image again to have it back', sound: false };
  }

  /** Lowest first, so that a layer is looked at when those below it are known to be sound, or have been mended. */
  async #checkLayers(): Promise<void> {
    const seen = new Set<Digest>();
    for (const { image } of this.#images) {
      for (const [i, layer] of image.layers.entries()) {
        if (seen.has(layer.chainId)) continue;
        seen.add(layer.chainId);
        const problem = await this.#problemOfLayer(layer, image.layers.slice(0, i));
        if (problem !== undefined) await this.#foundLayer(layer, image, problem);
      }
    }
  }

  async #problemOfLayer(layer: StoredLayer, below: readonly StoredLayer[]): Promise<string | undefined> {
    if (!existsSync(this.#paths.layer(layer.chainId))) return undefined; // it is unpacked when it is first used
    if (below.some(({ chainId }) => this.#brokenLayers.has(chainId))) {
      this.#brokenLayers.add(layer.chainId);
      return undefined; // what is below it is reported
    }
    const info = readLayerInfo(this.#paths, layer, below.at(-1));
    if (typeof info === 'string') return info;
    this.#layers++;
    this.#layerBytes += info.sizeBytes;
    if (this.#brokenBlobs.has(layer.blob.digest)) return undefined; // there is nothing to compare it with
    return differenceOfLayer(this.#paths, layer, below, info);
  }

  #foundLayer(layer: StoredLayer, image: StoredImage, problem: string): Promise<void> {
    const { chainId } = layer;
    this.#brokenLayers.add(chainId);
    return this.#found({
      kind: 'layer',
      subject: chainId,
      problem,
      images: this.#images.filter((i) => hasLayer(i.image, chainId)).map(({ name }) => name),
      repair: async () => {
        const user = this.#uses.find((use) => use.running && use.layers.includes(chainId));
        if (user) {
          const done = `left alone: the container ${user.containerId.slice(0, 12)} runs on it; stop it first`;
          return { done, sound: false };
        }
        if (this.#brokenBlobs.has(layer.blob.digest))
          return { done: `left alone: its blob ${layer.blob.digest} is broken, too`, sound: false };
        await this.#unpackAgain(layer, image);
        this.#brokenLayers.delete(chainId);
        return { done: 'unpacked again', sound: true };
      },
    });
  }

  /** What says that images are ready goes first, for a crash in between. */
  async #unpackAgain({ chainId }: StoredLayer, image: StoredImage): Promise<void> {
    const users = this.#images.filter((other) => hasLayer(other.image, chainId));
    for (const user of users) rmSync(this.#paths.resolvedImage(user.image.manifest.digest), { force: true });
    const link = linkTo(this.#paths, chainId);
    removeTree(this.#paths.layer(chainId));
    if (link !== undefined) rmSync(link, { force: true });
    for (const user of [image, ...users.map((u) => u.image)]) await unpackImage(this.#paths, user.manifest);
  }

  /** The short cuts of `run` say what the documents say. */
  async #checkResolved(): Promise<void> {
    const layers = new Layers(this.#paths);
    for (const { name, image } of this.#images) {
      const problem = this.#problemOfResolved(layers, image);
      if (problem === undefined) continue;
      const path = this.#paths.resolvedImage(image.manifest.digest);
      await this.#found({
        kind: 'resolved',
        subject: path,
        problem,
        images: [name],
        repair: () => {
          rmSync(path);
          return { done: 'removed; the next use of the image makes it again', sound: true };
        },
      });
    }
  }

  #problemOfResolved(layers: Layers, image: StoredImage): string | undefined {
    try {
      const resolved = readResolved(this.#paths, image.manifest.digest);
      if (resolved === undefined) return undefined;
      if (resolved.id !== image.config.digest) return 'it belongs to another image';
      const wanted = image.layers.map(({ chainId }) => ({ chainId, link: layers.info(chainId)?.link }));
      const missing = wanted.find(({ link }) => link === undefined);
      if (missing) return `the layer ${missing.chainId} is not unpacked`;
      const same = wanted.every(
        ({ chainId, link }, i) =>
          chainId === resolved.layers[i]?.chainId && link === resolved.layers[i]?.link,
      );
      return same && wanted.length === resolved.layers.length ? undefined : 'it names other layers';
    } catch (error) {
      if (!(error instanceof TsrunError)) throw error;
      return this.#brokenLayers.size > 0 ? undefined : error.message;
    }
  }

  async #checkContainers(): Promise<void> {
    for (const { containerId, layers } of this.#uses) {
      const missing = layers.find((chainId) => !existsSync(this.#paths.diff(chainId)));
      if (missing === undefined) continue;
      await this.#found({
        kind: 'container',
        subject: containerId.slice(0, 12),
        problem: `its layer ${missing} is not there`,
      });
    }
  }

  /** While somebody works in the store, or after a crash until the next work, there are things that no image names yet. */
  async #checkOrphans(): Promise<void> {
    if (this.#problems.some(({ kind, repaired }) => kind === 'image' && !repaired)) return;
    const used = this.#uses.flatMap(({ layers }) => layers);
    const { blobs, layers, resolved } = findOrphans(this.#paths, used);
    const count = blobs.length + layers.length + resolved.length;
    if (count === 0) return;
    if (!this.#repair && namesIn(this.#paths.temporary).some(isWorkMark)) return;
    await this.#found({
      kind: 'orphans',
      subject: `${blobs.length} blobs, ${layers.length} layers`,
      problem: 'no image needs them',
      repair: () => {
        collectGarbage(this.#paths, used);
        return { done: 'removed', sound: true };
      },
    });
  }

  #imagesWithBlob(digest: Digest): string[] {
    return this.#images.filter(({ image }) => needsBlob(image, digest)).map(({ name }) => name);
  }

  #nameOf(entry: Descriptor): string {
    const named = this.#entries.find((e) => e.digest === entry.digest && nameOf(e) !== undefined);
    const name = named && nameOf(named);
    return name === undefined ? entry.digest : familiarName(parseReference(name));
  }
}

function hasLayer(image: StoredImage, chainId: Digest): boolean {
  return image.layers.some((layer) => layer.chainId === chainId);
}

function needsBlob({ manifest, config, layers }: StoredImage, digest: Digest): boolean {
  return [manifest, config, ...layers.map(({ blob }) => blob)].some((blob) => blob.digest === digest);
}
