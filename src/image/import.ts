/** `tsrun import`: a root file system in a tar becomes an image of one layer. */
import type { Digest } from '../lib/brands.ts';
import { addManifest, layerMediaType } from './archive/docker-archive.ts';
import { type ArchiveInput, inputBytes } from './archive/open.ts';
import { addBlob, addDocument, readBlob } from './blobs.ts';
import { applyChanges } from './changes.ts';
import { type Compression, compressionOf, decompress } from './decompress.ts';
import { ImageIndex } from './image-index.ts';
import { Layers } from './layers.ts';
import { hostArchitecture } from './platform.ts';
import { prepareImage } from './prepare.ts';
import { fullName, parseReference } from './reference.ts';
import type { StorePaths } from './store-paths.ts';
import { startWork } from './work.ts';

export interface ImportOptions {
  /** Without one the image has only its ID. */
  readonly name?: string;
  /** Dockerfile instructions. */
  readonly changes?: readonly string[];
  readonly message?: string;
  /** Now, when not given. */
  readonly created?: Date;
}

export async function importImage(
  paths: StorePaths,
  input: ArchiveInput,
  options: ImportOptions,
): Promise<Digest> {
  const name = options.name === undefined ? undefined : fullName(parseReference(options.name));
  const config = applyChanges(options.changes ?? []);
  using work = await startWork(paths);
  const blob = await addBlob(paths, inputBytes(input));
  const layer = await new Layers(paths).unpack(decompress(readBlob(paths, blob)), []);
  const created = (options.created ?? new Date()).toISOString();
  const image = {
    created,
    architecture: hostArchitecture(),
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created, comment: options.message ?? 'imported by tsrun' }],
  };
  const configBlob = await addDocument(paths, Buffer.from(JSON.stringify(image)));
  const mediaType = layerMediaType(await compressionOfBlob(readBlob(paths, blob)));
  const manifest = await addManifest(paths, configBlob, [{ mediaType, ...blob }]);
  await prepareImage(paths, manifest);
  new ImageIndex(paths).add(manifest, name);
  work.done();
  return configBlob.digest;
}

async function compressionOfBlob(bytes: AsyncIterable<Buffer>): Promise<Compression> {
  for await (const chunk of bytes) return compressionOf(chunk);
  return 'none';
}
