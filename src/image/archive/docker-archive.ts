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
import type { BlobFacts, Blobs } from '../blobs.ts';
import { type Compression, compressionOf } from '../decompress.ts';
import { fullName, parseReference } from '../reference.ts';
import type { ArrivedImage } from './arrived.ts';
import { type ArchiveFile, type ArchiveSource, archiveError, readDocument } from './source.ts';

/** Puts every blob of the archive into the store. */
export async function arriveFromDockerArchive(source: ArchiveSource, blobs: Blobs): Promise<ArrivedImage[]> {
  const images = parseDockerArchiveManifest(await readDocument(source, 'manifest.json'), 'manifest.json');
  const arrived: ArrivedImage[] = [];
  for (const image of images) arrived.push(await arrive(source, blobs, image));
  return arrived;
}

async function arrive(source: ArchiveSource, blobs: Blobs, image: DockerArchiveImage): Promise<ArrivedImage> {
  const names = image.RepoTags.map((tag) => fullName(parseReference(tag)));
  const configBytes = await readDocument(source, image.Config);
  const config = parseImageConfig(configBytes, image.Layers.length, image.Config);
  const configFacts = await blobs.addDocument(configBytes);
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
    layers.push(await addLayer(source, blobs, name, config.diffIds[i] as Digest));
  }
  return { manifest: await addManifest(blobs, configFacts, layers), names };
}

/** An uncompressed layer must be its diff ID already here; a compressed one is checked when it is unpacked. */
async function addLayer(
  source: ArchiveSource,
  blobs: Blobs,
  name: string,
  diffId: Digest,
): Promise<Descriptor> {
  const file = source.file(name);
  if (file === undefined) throw archiveError(`it has no layer ${JSON.stringify(name)}`);
  const compression = await compressionOfFile(file);
  const digest = compression === 'none' ? diffId : digestInName(name);
  const facts = await blobs.add(file.read(), digest && { digest, size: file.size });
  return { mediaType: layerMediaType(compression), ...facts };
}

/** Writes the OCI manifest of an image whose blobs are in the store. */
export async function addManifest(
  blobs: Blobs,
  config: BlobFacts,
  layers: readonly Descriptor[],
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers,
  };
  const facts = await blobs.addDocument(Buffer.from(JSON.stringify(manifest)));
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
