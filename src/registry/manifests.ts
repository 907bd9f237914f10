/** Manifests and indexes from a registry: small documents, taken only when they are what their digest says. */
import { digestOf } from '../image/hash.ts';
import type { Reference } from '../image/reference.ts';
import { familiarName } from '../image/reference.ts';
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, INDEX_TYPES, isDigest, MANIFEST_TYPES, parseIndex } from '../spec/image.ts';
import { MAX_DOCUMENT_BYTES, parseJsonDocument } from '../spec/image-json.ts';
import { ExchangeError, shown } from './errors.ts';
import { readWhole } from './http.ts';
import { choosePlatform, type Platform, platformName } from './platform.ts';
import type { Repository } from './repository.ts';

export interface FetchedDocument {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** What a reference stands for, and the manifest for one platform in it: the same when it is no index. */
export interface ResolvedReference {
  readonly top: FetchedDocument;
  readonly manifest: FetchedDocument;
}

const ACCEPT = [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ');
const MAX_INDEX_DEPTH = 4;
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;

/** Throws REGISTRY_NOT_FOUND, REGISTRY_BROKEN, IMAGE_PLATFORM or what the registry is not able to do. */
export async function resolveReference(
  repository: Repository,
  platform: Platform,
): Promise<ResolvedReference> {
  const { reference } = repository;
  const top = await fetchManifest(repository, reference.digest ?? reference.tag ?? '');
  let at = top;
  for (let depth = 0; INDEX_TYPES.has(at.mediaType); depth++) {
    if (depth >= MAX_INDEX_DEPTH)
      throw broken(reference, `its indexes are nested more than ${MAX_INDEX_DEPTH} deep`);
    const index = parseIndex(at.bytes, at.mediaType, `the index ${at.digest}`);
    const chosen = choosePlatform(index.manifests, platform);
    if (chosen === undefined) throw noPlatform(reference, platform, index.manifests);
    at = await fetchManifest(repository, chosen.digest, chosen);
  }
  return { top, manifest: at };
}

/** The document that a tag or a digest stands for. `expected`: what an index promises of it. */
export async function fetchManifest(
  repository: Repository,
  tagOrDigest: string,
  expected?: Descriptor,
): Promise<FetchedDocument> {
  const { reference } = repository;
  const capability = isDigest(tagOrDigest) ? 'pull' : 'resolve';
  return repository.first(capability, async (client) => {
    const answer = await client
      .send({
        method: 'GET',
        path: `${reference.path}/manifests/${tagOrDigest}`,
        headers: { accept: ACCEPT },
        scopes: [repository.scope('pull')],
        expect: [200],
      })
      .catch((error: unknown) => {
        throw notThere(reference, error);
      });
    const bytes = await readWhole(answer, MAX_DOCUMENT_BYTES);
    if (bytes === undefined)
      throw broken(reference, `its manifest has more than ${MAX_DOCUMENT_BYTES} bytes`);
    const claimed = answer.headers['docker-content-digest'];
    const wanted = isDigest(tagOrDigest)
      ? tagOrDigest
      : typeof claimed === 'string' && isDigest(claimed)
        ? claimed
        : undefined;
    const digest = digestOf(bytes, wanted ?? ('sha256:' as Digest));
    if (wanted !== undefined && digest !== wanted)
      throw broken(reference, `the manifest ${wanted} has a content with the digest ${digest}`);
    const mediaType = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
    checkMediaType(reference, mediaType, expected);
    parseJsonDocument(bytes, `the manifest ${digest}`);
    if (expected && expected.size !== bytes.length)
      throw broken(
        reference,
        `the manifest ${digest} has ${bytes.length} bytes, and its index promises ${expected.size}`,
      );
    return { mediaType, digest, bytes };
  });
}

function checkMediaType(reference: Reference, mediaType: string, expected: Descriptor | undefined): void {
  if (SCHEMA_1.test(mediaType))
    throw new TsrunError(
      'IMAGE_SCHEMA_1',
      `Cannot pull ${familiarName(reference)}: its manifest is in Docker's schema 1, which was given up in 2017`,
      { hint: 'pull it with an old Docker and push it again' },
    );
  if (!MANIFEST_TYPES.has(mediaType) && !INDEX_TYPES.has(mediaType))
    throw broken(reference, `its manifest has the media type ${JSON.stringify(shown(mediaType))}`);
  if (expected && expected.mediaType !== mediaType)
    throw broken(
      reference,
      `the manifest ${expected.digest} is ${mediaType}, and its index promises ${shown(expected.mediaType)}`,
    );
}

/** A registry that wants no strangers says of a repository that is not there the same as of one that is closed to them. */
function notThere(reference: Reference, error: unknown): unknown {
  if (!(error instanceof ExchangeError)) return error;
  const name = familiarName(reference);
  if (error.code === 'REGISTRY_NOT_FOUND')
    return new TsrunError(
      'REGISTRY_NOT_FOUND',
      `Cannot pull ${name}: ${reference.registry} does not have it`,
      {
        hint: 'check the spelling of the name and of the tag',
        cause: error,
      },
    );
  if (
    error.code !== 'REGISTRY_DENIED' &&
    !(error.code === 'REGISTRY_UNAUTHORIZED' && /wants a login/.test(error.message))
  )
    return error;
  return new TsrunError(
    'REGISTRY_DENIED',
    `Cannot pull ${name}: ${reference.registry} does not have it, or not for everybody`,
    { hint: `check the spelling, or \`tsrun login ${reference.registry}\``, cause: error },
  );
}

function noPlatform(reference: Reference, wanted: Platform, manifests: readonly Descriptor[]): TsrunError {
  const names = manifests.flatMap(({ platform }) =>
    platform && platform.os !== 'unknown' ? platformName(platform) : [],
  );
  return new TsrunError(
    'IMAGE_PLATFORM',
    `Cannot pull ${familiarName(reference)}: there is none for ${platformName(wanted)}`,
    {
      hint:
        names.length === 0
          ? 'its index names no platform'
          : `there is one for ${shown([...new Set(names)].join(', '))}`,
    },
  );
}

export function broken(reference: Reference, problem: string, cause?: unknown): TsrunError {
  return new TsrunError('REGISTRY_BROKEN', `Cannot pull ${familiarName(reference)}: ${problem}`, {
    hint: 'the registry, or something between here and there, changed it; try again, or ask the people who run it',
    cause,
  });
}
