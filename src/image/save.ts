/**
 * `tsrun image save`: images as one archive that is both an OCI image layout and, by its manifest.json, what
 * `docker load` reads. Blobs go in as they are in the store, so that digests stay.
 */
import type { Digest } from '../lib/brands.ts';
import { MEDIA_TYPES, REF_NAME } from '../spec/image.ts';
import { readBlob } from './blobs.ts';
import type { BlobFacts } from './documents.ts';
import { findImage } from './find.ts';
import { ImageIndex } from './image-index.ts';
import { familiarName, parseReference } from './reference.ts';
import type { StorePaths } from './store-paths.ts';
import { readStoredImage, type StoredImage } from './stored-image.ts';
import { tarEnd, tarHeader, tarPadding } from './tar/writer.ts';
import { startWork } from './work.ts';

/** containerd's annotation for the whole name; the OCI's then has the tag alone. */
const CONTAINERD_NAME = 'io.containerd.image.name';

interface SavedImage {
  readonly stored: StoredImage;
  /** Full names under which it is saved. */
  readonly names: string[];
}

/** `texts`: an image by its name is saved with that name, by its ID without any. Throws IMAGE_NOT_FOUND. */
export async function saveImages(
  paths: StorePaths,
  texts: readonly string[],
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  using work = await startWork(paths); // nobody removes meanwhile
  const images = chooseImages(paths, texts);
  const blobs = new Map<Digest, BlobFacts>();
  for (const { stored } of images) {
    for (const blob of [stored.manifest, stored.config, ...stored.layers.map((layer) => layer.blob)])
      blobs.set(blob.digest, blob);
  }
  await writeFile(write, 'oci-layout', json({ imageLayoutVersion: '1.0.0' }));
  await writeFile(write, 'index.json', json(indexOf(images)));
  await writeFile(write, 'manifest.json', json(images.map(dockerManifest)));
  for (const blob of blobs.values()) {
    await write(tarHeader(blobName(blob), blob.size));
    for await (const piece of readBlob(paths, blob)) await write(piece);
    await write(tarPadding(blob.size));
  }
  await write(tarEnd());
  work.done();
}

function chooseImages(paths: StorePaths, texts: readonly string[]): SavedImage[] {
  const entries = new ImageIndex(paths).entries();
  const chosen = new Map<Digest, SavedImage>();
  for (const text of texts) {
    const { entry, name } = findImage(entries, paths, text);
    const image = chosen.get(entry.digest) ?? { stored: readStoredImage(paths, entry), names: [] };
    const tagged = name !== undefined && parseReference(name).tag !== undefined;
    if (tagged && !image.names.includes(name)) image.names.push(name);
    chosen.set(entry.digest, image);
  }
  return [...chosen.values()];
}

function indexOf(images: readonly SavedImage[]) {
  const manifests = images.flatMap(({ stored: { manifest }, names }) => {
    const { mediaType, digest, size } = manifest;
    if (names.length === 0) return [{ mediaType, digest, size }];
    return names.map((name) => {
      const annotations = { [CONTAINERD_NAME]: name, [REF_NAME]: parseReference(name).tag ?? '' };
      return { mediaType, digest, size, annotations };
    });
  });
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
}

function dockerManifest({ stored: { config, layers }, names }: SavedImage) {
  return {
    Config: blobName(config),
    RepoTags: names.length === 0 ? null : names.map((name) => familiarName(parseReference(name))),
    Layers: layers.map(({ blob }) => blobName(blob)),
  };
}

async function writeFile(
  write: (bytes: Uint8Array) => Promise<void>,
  name: string,
  content: Buffer,
): Promise<void> {
  await write(tarHeader(name, content.length));
  await write(content);
  await write(tarPadding(content.length));
}

function blobName({ digest }: BlobFacts): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
