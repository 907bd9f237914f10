/** OCI image layouts, as a directory or in a tar. */
import { TsrunError } from '../../lib/errors.ts';
import {
  type Descriptor,
  INDEX_TYPES,
  MANIFEST_TYPES,
  MEDIA_TYPES,
  type Platform,
  parseImageConfig,
  parseIndex,
  parseManifest,
  REF_NAME,
} from '../../spec/image.ts';
import { addBlob, once } from '../blobs.ts';
import { type BlobFacts, hasBlob } from '../documents.ts';
import { digestOf } from '../hash.ts';
import { hostArchitecture } from '../platform.ts';
import { fullName, parseReference } from '../reference.ts';
import type { StorePaths } from '../store-paths.ts';
import type { ArrivedImage } from './arrived.ts';
import { type ArchiveSource, archiveError, readDocument } from './source.ts';

const CONTAINERD_NAME = 'io.containerd.image.name';
const MAX_INDEX_DEPTH = 4;

/** Puts the blobs of every image that this machine can run into the store. */
export async function arriveFromOciLayout(source: ArchiveSource, paths: StorePaths): Promise<ArrivedImage[]> {
  const index = parseIndex(await readDocument(source, 'index.json'), MEDIA_TYPES.ociIndex, 'index.json');
  const arrived: ArrivedImage[] = [];
  for (const entry of index.manifests) {
    const manifest = await findManifest(source, entry, 0);
    if (manifest === undefined) continue;
    const name = nameOfEntry(entry);
    arrived.push({
      manifest: await arrive(source, paths, manifest),
      names: name === undefined ? [] : [name],
    });
  }
  if (arrived.length === 0) {
    throw new TsrunError(
      'IMAGE_PLATFORM',
      `Cannot load the archive: it has no image for linux/${hostArchitecture()}`,
      {
        hint: 'save the image for this platform',
      },
    );
  }
  return arrived;
}

/** A bare tag (`latest`, as umoci writes it) names no repository, so the image stays without a name. */
function nameOfEntry(entry: Descriptor): string | undefined {
  const name = entry.annotations?.[CONTAINERD_NAME] ?? entry.annotations?.[REF_NAME];
  if (name === undefined || !/[:/]/.test(name)) return undefined;
  return fullName(parseReference(name));
}

/** Goes through indexes to the manifest for this machine. */
async function findManifest(
  source: ArchiveSource,
  entry: Descriptor,
  depth: number,
): Promise<Descriptor | undefined> {
  if (entry.platform && !fits(entry.platform)) return undefined;
  if (MANIFEST_TYPES.has(entry.mediaType)) return entry;
  if (!INDEX_TYPES.has(entry.mediaType)) return undefined;
  if (depth >= MAX_INDEX_DEPTH)
    throw archiveError(`its indexes are nested more than ${MAX_INDEX_DEPTH} deep`);
  const index = parseIndex(await readBlob(source, entry), entry.mediaType, `the index ${entry.digest}`);
  for (const child of index.manifests) {
    const found = await findManifest(source, child, depth + 1);
    if (found) return found;
  }
  return undefined;
}

function fits(platform: Platform): boolean {
  return platform.os === 'linux' && platform.architecture === hostArchitecture();
}

async function arrive(source: ArchiveSource, paths: StorePaths, entry: Descriptor): Promise<Descriptor> {
  const bytes = await readBlob(source, entry);
  const manifest = parseManifest(bytes, entry.mediaType, `the manifest ${entry.digest}`);
  const config = await readBlob(source, manifest.config);
  parseImageConfig(config, manifest.layers.length, `the image config ${manifest.config.digest}`);
  for (const layer of manifest.layers) {
    if (!hasBlob(paths, layer)) await addBlob(paths, openBlob(source, layer).read(), layer);
  }
  await addBlob(paths, once(config), manifest.config);
  await addBlob(paths, once(bytes), entry);
  return { mediaType: entry.mediaType, digest: entry.digest, size: entry.size };
}

async function readBlob(source: ArchiveSource, blob: BlobFacts): Promise<Buffer> {
  openBlob(source, blob);
  const bytes = await readDocument(source, blobName(blob));
  const digest = digestOf(bytes, blob.digest);
  if (digest === blob.digest) return bytes;
  throw new TsrunError(
    'IMAGE_DIGEST_MISMATCH',
    `Cannot load the blob ${blob.digest}: its content has the digest ${digest}`,
    {
      hint: 'the archive is damaged; save the image again',
    },
  );
}

function openBlob(source: ArchiveSource, blob: BlobFacts) {
  const file = source.file(blobName(blob));
  if (file === undefined) throw archiveError(`it has no blob ${blob.digest}`);
  if (file.size !== blob.size)
    throw archiveError(`the blob ${blob.digest} has ${file.size} bytes, not ${blob.size}`);
  return file;
}

function blobName(blob: BlobFacts): string {
  return `blobs/${blob.digest.replace(':', '/')}`;
}
