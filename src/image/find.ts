/** Finding an image by what a user types: a name, or the beginning of an image ID. */
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, isDigest, MANIFEST_TYPES, parseManifest } from '../spec/image.ts';
import { readDocument } from './documents.ts';
import { entriesOf, nameOf } from './image-index.ts';
import { familiarName, fullName, parseReference, type Reference, withoutTag } from './reference.ts';
import type { StorePaths } from './store-paths.ts';

export interface FoundImage {
  readonly entry: Descriptor;
  /** The full name it was found by; undefined when it was found by its ID or digest. */
  readonly name: string | undefined;
}

const ID = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/** Throws IMAGE_NOT_FOUND, IMAGE_ID_AMBIGUOUS or IMAGE_REFERENCE_INVALID. */
export function findImage(entries: readonly Descriptor[], paths: StorePaths, text: string): FoundImage {
  const digits = ID.exec(text)?.[1];
  const reference = digits?.length === 64 || text.startsWith('sha256:') ? undefined : parseReference(text);
  const byName = reference && findByName(entries, reference);
  if (byName) return byName;
  const byId = digits === undefined ? undefined : findById(entries, paths, digits, text);
  if (byId) return { entry: byId, name: undefined };
  if (reference === undefined && digits === undefined) parseReference(text);
  throw new TsrunError('IMAGE_NOT_FOUND', `No such image: ${reference ? familiarName(reference) : text}`, {
    hint: 'see `tsrun images`; bring an image in with `tsrun pull`, `tsrun load` or `tsrun import`',
  });
}

/**
 * A digest decides when there is one; the tag beside it is then only for the reader, as in Docker. It is that of the
 * manifest, or of the index that the manifest was pulled from.
 */
function findByName(entries: readonly Descriptor[], reference: Reference): FoundImage | undefined {
  const name = fullName(reference.digest === undefined ? reference : withoutTag(reference));
  const named = entries.find((e) => nameOf(e) === name);
  if (named || reference.digest === undefined) return named && { entry: named, name };
  const repository = `${reference.registry}/${reference.path}`;
  const entry = entriesOf(entries, reference.digest).find(
    (e) => nameOf(e)?.replace(/(?::[^:/]*)?(?:@.*)?$/, '') === repository,
  );
  return entry && { entry, name: undefined };
}

function findById(
  entries: readonly Descriptor[],
  paths: StorePaths,
  digits: string,
  text: string,
): Descriptor | undefined {
  const matches = new Map<Digest, Descriptor>();
  for (const entry of entries) {
    const id = imageId(entry, paths);
    if (id?.startsWith(`sha256:${digits}`) && !matches.has(id)) matches.set(id, entry);
  }
  if (matches.size > 1) {
    throw new TsrunError(
      'IMAGE_ID_AMBIGUOUS',
      `The image ID ${text} is ambiguous: ${matches.size} images start with it`,
      {
        hint: 'give more digits of the ID',
      },
    );
  }
  return matches.values().next().value;
}

/** The image ID: the digest of its config. Undefined for an entry that is no image, or is damaged. */
export function imageId(entry: Descriptor, paths: StorePaths): Digest | undefined {
  if (!MANIFEST_TYPES.has(entry.mediaType) || !isDigest(entry.digest)) return undefined;
  try {
    return parseManifest(readDocument(paths, entry), entry.mediaType, entry.digest).config.digest;
  } catch (error) {
    if (error instanceof TsrunError) return undefined;
    throw error;
  }
}
