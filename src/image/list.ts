/** `tsrun images`: one line for each name, as Docker shows them. */
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, MANIFEST_TYPES, parseImageConfig, parseManifest } from '../spec/image.ts';
import { readDocument } from './documents.ts';
import { entriesOf, ImageIndex, nameOf } from './image-index.ts';
import { familiarRepository, parseReference } from './reference.ts';
import { readResolved } from './resolved.ts';
import type { StorePaths } from './store-paths.ts';

export interface ImageSummary {
  /** `busybox`; undefined for an image without a name. */
  readonly repository: string | undefined;
  readonly tag: string | undefined;
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** RFC 3339, as the image says; undefined when it does not. */
  readonly created: string | undefined;
  /** Of the unpacked files; of the blobs, for an image that another tool put here and nobody has used yet. */
  readonly sizeBytes: number;
  /** Its documents cannot be read: `id` is the digest of its manifest then. */
  readonly damaged: boolean;
}

/** Newest first. */
export function listImages(paths: StorePaths): ImageSummary[] {
  return new ImageIndex(paths)
    .entries()
    .filter((entry, _, all) => MANIFEST_TYPES.has(entry.mediaType) && !isDigestOfTagged(entry, all))
    .map((entry) => ({ ...nameParts(entry), ...facts(paths, entry), manifestDigest: entry.digest }))
    .sort((a, b) => (b.created ?? '').localeCompare(a.created ?? ''));
}

/** A pulled image has its repository's name twice, with the tag and with the digest; one line is enough. */
function isDigestOfTagged(entry: Descriptor, all: readonly Descriptor[]): boolean {
  const { repository, tag } = nameParts(entry);
  if (repository === undefined || tag !== undefined) return false;
  return entriesOf(all, entry.digest).some((other) => {
    const parts = nameParts(other);
    return parts.repository === repository && parts.tag !== undefined;
  });
}

function nameParts(entry: Descriptor): Pick<ImageSummary, 'repository' | 'tag'> {
  const name = nameOf(entry);
  if (name === undefined) return { repository: undefined, tag: undefined };
  const reference = parseReference(name);
  return { repository: familiarRepository(reference), tag: reference.tag };
}

type Facts = Pick<ImageSummary, 'id' | 'created' | 'sizeBytes' | 'damaged'>;

/** A damaged image is listed as well: its name is what it can be removed or pulled again by. */
function facts(paths: StorePaths, entry: Descriptor): Facts {
  try {
    return { ...soundFacts(paths, entry), damaged: false };
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    return { id: entry.digest, created: undefined, sizeBytes: 0, damaged: true };
  }
}

function soundFacts(paths: StorePaths, entry: Descriptor): Omit<Facts, 'damaged'> {
  const resolved = readResolved(paths, entry.digest);
  if (resolved) return { id: resolved.id, created: resolved.config.created, sizeBytes: resolved.sizeBytes };
  const manifest = parseManifest(readDocument(paths, entry), entry.mediaType, `the manifest ${entry.digest}`);
  const { digest } = manifest.config;
  const config = parseImageConfig(
    readDocument(paths, manifest.config),
    manifest.layers.length,
    `the image config ${digest}`,
  );
  const sizeBytes = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return { id: digest, created: config.created, sizeBytes };
}
