/** `docker save` archives: manifest.json names configs and layers. They enter the store as OCI manifests. */

import type { Digest } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import {
  asDigest,
  type Descriptor,
  type DockerArchiveImage,
  MEDIA_TYPES,
  parseDockerArchiveManifest,
  parseImageConfig,
} from '../../spec/image.ts';
import { addBlob, addDocument } from '../blobs.ts';
import { type Compression, compressionOf } from '../decompress.ts';
import type { BlobFacts } from '../documents.ts';
import { fullName, parseReference } from '../reference.ts';
import type { StorePaths } from '../store-paths.ts';
import type { ArrivedImage } from './arrived.ts';
import { type ArchiveFile, type ArchiveSource, archiveError, readDocument } from './source.ts';

/** Puts every blob of the archive into the store. */
export async function arriveFromDockerArchive(
  source: ArchiveSource,
  paths: StorePaths,
): Promise<ArrivedImage[]> {
  const images = parseDockerArchiveManifest(await readDocument(source, 'manifest.json'), 'manifest.json');
  const arrived: ArrivedImage[] = [];
  for (const image of images) arrived.push(await arrive(source, paths, image));
  return arrived;
}

async function arrive(
  source: ArchiveSource,
  paths: StorePaths,
  image: DockerArchiveImage,
): Promise<ArrivedImage> {
  const names = image.RepoTags.map((tag) => fullName(parseReference(tag)));
  const configBytes = await readDocument(source, image.Config);
  const config = parseImageConfig(configBytes, image.Layers.length, image.Config);
  const configFacts = await addDocument(paths, configBytes);
  const claimed = digestInName(image.Config);
  if (claimed !== undefined && claimed !== configFacts.digest) {
    throw new TsrunError(
      'IMAGE_DIGEST_MISMATCH',
      `Cannot load ${image.Config}: its content has the digest ${configFacts.digest}`,
      {
        hint: 'the archive is damaged; save the image again',
      },
    );
  }
  const layers: Descriptor[] = [];
  for (const [i, name] of image.Layers.entries()) {
    layers.push(await addLayer(source, paths, name, config.diffIds[i] as Digest));
  }
  return { manifest: await addManifest(paths, configFacts, layers), names };
}

/** An uncompressed layer must be its diff ID already here; a compressed one is checked when it is unpacked. */
async function addLayer(
  source: ArchiveSource,
  paths: StorePaths,
  name: string,
  diffId: Digest,
): Promise<Descriptor> {
  const file = source.file(name);
  if (file === undefined) throw archiveError(`it has no layer ${JSON.stringify(name)}`);
  const compression = await compressionOfFile(file);
  const digest = compression === 'none' ? diffId : digestInName(name);
  const facts = await addBlob(paths, file.read(), digest && { digest, size: file.size });
  return { mediaType: layerMediaType(compression), ...facts };
}

/** Writes the OCI manifest of an image whose blobs are in the store. */
export async function addManifest(
  paths: StorePaths,
  config: BlobFacts,
  layers: readonly Descriptor[],
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers,
  };
  const facts = await addDocument(paths, Buffer.from(JSON.stringify(manifest)));
  return { mediaType: MEDIA_TYPES.ociManifest, ...facts };
}

export function layerMediaType(compression: Compression): string {
  return compression === 'none' ? MEDIA_TYPES.ociLayer : `${MEDIA_TYPES.ociLayer}+${compression}`;
}

async function compressionOfFile(file: ArchiveFile): Promise<Compression> {
  for await (const chunk of file.read()) return compressionOf(chunk);
  return 'none';
}

/** `blobs/sha256/<hex>` (containerd's form) and `<hex>.json` (Docker's) say what they hold. */
function digestInName(name: string): Digest | undefined {
  const match = /^(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.json)$/.exec(name);
  return match ? asDigest(`sha256:${match[1] ?? match[2]}`, name) : undefined;
}
