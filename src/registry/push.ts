/** `tsrun push`: blobs as they came or were made, some at a time, then the manifest, byte for byte: so the digest stays. */
import { readDocument } from '../image/documents.ts';
import { findImage } from '../image/find.ts';
import { ImageIndex, nameOf } from '../image/image-index.ts';
import { FileLock } from '../image/locks.ts';
import { familiarName, fullName, parseReference, type Reference, withoutTag } from '../image/reference.ts';
import type { StorePaths } from '../image/store-paths.ts';
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, MANIFEST_TYPES, type Manifest, parseManifest } from '../spec/image.ts';
import { ExchangeError } from './errors.ts';
import type { LayerEvent, PushPhase } from './layer-event.ts';
import { openRepository, type RegistryOptions, type Repository } from './repository.ts';
import { ParallelTransfers } from './transfers.ts';
import { uploadBlob } from './upload.ts';

export interface PushOptions extends Omit<RegistryOptions, 'signal'> {
  readonly signal?: AbortSignal;
  readonly onLayer: (event: LayerEvent<PushPhase>) => void;
}

export interface PushedImage {
  readonly reference: Reference;
  readonly digest: Digest;
  /** Of the manifest. */
  readonly sizeBytes: number;
}

const PARALLEL_UPLOADS = 3;

/** Throws IMAGE_NOT_FOUND, or what the registry is not able to do. */
export async function pushImage(paths: StorePaths, text: string, options: PushOptions): Promise<PushedImage> {
  const reference = parseReference(text);
  if (reference.digest !== undefined)
    throw new TsrunError('REGISTRY_PUSH', `Cannot push ${familiarName(reference)}: only tags can be pushed`, {
      hint: 'give it a tag with `tsrun tag`',
    });
  const index = new ImageIndex(paths);
  const { entry } = findImage(index.entries(), paths, fullName(reference)); // never by an ID
  using _held = await FileLock.wait(paths.workLock, 'shared');
  const bytes = readDocument(paths, entry);
  const manifest = parseManifest(bytes, entry.mediaType, `the manifest ${entry.digest}`);

  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
  using repository = await openRepository(reference, { ...options, signal });
  const elsewhere = otherPlaces(paths, reference);
  const layers = new Set(manifest.layers.map(({ digest }) => digest));
  const upload = (blob: Descriptor) =>
    uploadBlob({
      paths,
      repository,
      blob,
      mountFrom: elsewhere.get(blob.digest),
      say: (phase, moved) => {
        if (layers.has(blob.digest))
          options.onLayer({ layer: blob.digest, phase, bytes: moved, size: blob.size });
      },
    });
  for (const { digest: layer, size } of manifest.layers)
    options.onLayer({ layer, phase: 'waiting', bytes: 0, size });
  {
    await using transfers = new ParallelTransfers(blobsOf(manifest), PARALLEL_UPLOADS, stop, upload);
    for (const blob of blobsOf(manifest)) await transfers.finished(blob);
  }
  await putManifest(repository, entry, bytes);
  index.add(entry, fullName({ ...withoutTag(reference), digest: entry.digest }));
  return { reference, digest: entry.digest, sizeBytes: bytes.length };
}

/** The registry says a digest too; another one would mean that it changed the manifest. */
async function putManifest(repository: Repository, entry: Descriptor, bytes: Buffer): Promise<void> {
  const { reference } = repository;
  const answer = await repository.main.send({
    method: 'PUT',
    path: `${reference.path}/manifests/${reference.tag}`,
    headers: { 'content-type': entry.mediaType, 'content-length': `${bytes.length}` },
    body: () => bytes,
    scopes: [repository.scope('pull', 'push')],
    expect: [200, 201],
  });
  answer.drop();
  const digest = answer.headers['docker-content-digest'];
  if (digest === undefined || digest === entry.digest) return;
  throw new ExchangeError(
    'REGISTRY_ANSWER',
    `${repository.main.host} took the manifest ${entry.digest} for ${JSON.stringify(digest)}`,
  );
}

const blobsOf = ({ config, layers }: Manifest): readonly Descriptor[] => [config, ...layers];

/** By blob: a repository of the same registry that has it, as far as the names of our images tell. */
function otherPlaces(paths: StorePaths, { registry, path }: Reference): ReadonlyMap<Digest, string> {
  const places = new Map<Digest, string>();
  for (const entry of new ImageIndex(paths).entries()) {
    const name = nameOf(entry);
    const other = name === undefined ? undefined : parseReference(name);
    if (other?.registry !== registry || other.path === path || !MANIFEST_TYPES.has(entry.mediaType)) continue;
    const manifest = parseManifest(
      readDocument(paths, entry),
      entry.mediaType,
      `the manifest ${entry.digest}`,
    );
    for (const { digest } of blobsOf(manifest)) places.set(digest, other.path);
  }
  return places;
}

/** Every tag of a repository that the store has, as names for {@link pushImage}. */
export function tagsOf(paths: StorePaths, text: string): readonly string[] {
  const wanted = parseReference(text);
  const names = new ImageIndex(paths).entries().flatMap((entry) => nameOf(entry) ?? []);
  return names.filter((name) => {
    const { registry, path, tag } = parseReference(name);
    return registry === wanted.registry && path === wanted.path && tag !== undefined;
  });
}
