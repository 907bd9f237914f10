/**
 * `tsrun pull`: reference → manifest for this platform → blobs, some at a time, while the layers that are there already
 * are unpacked in order → names in index.json.
 */
import { addBlob, once } from '../image/blobs.ts';
import { hasBlob, readDocument } from '../image/documents.ts';
import { ImageIndex, nameOf } from '../image/image-index.ts';
import { lockMaking } from '../image/making-lock.ts';
import { prepareImage } from '../image/prepare.ts';
import { familiarName, fullName, parseReference, type Reference, withoutTag } from '../image/reference.ts';
import { type ResolvedImage, readResolved } from '../image/resolved.ts';
import type { StorePaths } from '../image/store-paths.ts';
import { startWork } from '../image/work.ts';
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { type Descriptor, type Manifest, parseImageConfig, parseManifest } from '../spec/image.ts';
import { MAX_DOCUMENT_BYTES } from '../spec/image-json.ts';
import { downloadBlob } from './download.ts';
import type { LayerEvent, PullPhase } from './layer-event.ts';
import { broken, type FetchedDocument, resolveReference } from './manifests.ts';
import { fitsPlatform, hostPlatform, type Platform, parsePlatform, platformName } from './platform.ts';
import { openRepository, type RegistryOptions, type Repository } from './repository.ts';
import { ParallelTransfers } from './transfers.ts';

export interface PullOptions extends Omit<RegistryOptions, 'signal'> {
  /** The machine's own when not given. */
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onLayer: (event: LayerEvent<PullPhase>) => void;
}

export interface PulledImage {
  readonly reference: Reference;
  /** Of what the name stands for at the registry: an index or a manifest. */
  readonly digest: Digest;
  readonly image: ResolvedImage;
  /** False when the store had it under this name. */
  readonly isNew: boolean;
}

const PARALLEL_DOWNLOADS = 3;

export async function pullImage(paths: StorePaths, text: string, options: PullOptions): Promise<PulledImage> {
  const reference = parseReference(text);
  const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
  using repository = await openRepository(reference, { ...options, signal });
  const { top, manifest } = await resolveReference(repository, platform);
  const names = namesFor(reference, top.digest);
  const present = presentImage(paths, manifest.digest, names);
  if (present) return { reference, digest: top.digest, image: present, isNew: false };

  using work = await startWork(paths);
  const layers = await addDocuments(paths, repository, manifest, platform);
  const say = (phase: PullPhase, { digest, size }: Descriptor, bytes = size) =>
    options.onLayer({ layer: digest, phase, bytes, size });
  for (const layer of layers) if (!hasBlob(paths, layer)) say('waiting', layer, 0);
  await using downloads = new ParallelTransfers(layers, PARALLEL_DOWNLOADS, stop, (layer) =>
    fetchBlob(paths, repository, layer, (phase, bytes) => say(phase, layer, bytes)),
  );
  const entry = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
  const image = await prepareImage(paths, entry, {
    arrived: (layer) => downloads.finished(layer),
    unpacking: (layer) => say('unpacking', layer),
    unpacked: (layer, known) => say(known ? 'present' : 'unpacked', layer),
  });
  const index = new ImageIndex(paths);
  for (const name of names) index.add(entry, name);
  work.done();
  return { reference, digest: top.digest, image, isNew: true };
}

/** As Docker's store: the name that was asked for, and the repository with the digest, so that it can be asked for by that. */
function namesFor(reference: Reference, digest: Digest): readonly string[] {
  const byDigest = fullName({ ...withoutTag(reference), digest });
  return reference.digest === undefined ? [fullName(reference), byDigest] : [byDigest];
}

function presentImage(
  paths: StorePaths,
  manifest: Digest,
  names: readonly string[],
): ResolvedImage | undefined {
  const known = new ImageIndex(paths)
    .entries()
    .filter((entry) => entry.digest === manifest)
    .map(nameOf);
  return names.every((name) => known.includes(name)) ? readResolved(paths, manifest) : undefined;
}

/** Puts the manifest and the config into the store, when they are an image for `platform`. Returns the layers. */
async function addDocuments(
  paths: StorePaths,
  repository: Repository,
  document: FetchedDocument,
  platform: Platform,
): Promise<Manifest['layers']> {
  const { reference } = repository;
  const { bytes, mediaType, digest } = document;
  const { config, layers } = parseManifest(bytes, mediaType, `the manifest ${digest}`);
  if (config.size > MAX_DOCUMENT_BYTES) throw broken(reference, `its config has ${config.size} bytes`);
  await fetchBlob(paths, repository, config, () => undefined);
  const image = parseImageConfig(
    readDocument(paths, config),
    layers.length,
    `the image config ${config.digest}`,
  );
  if (!fitsPlatform(image, platform))
    throw new TsrunError(
      'IMAGE_PLATFORM',
      `Cannot pull ${familiarName(reference)}: it is for ${platformName(image)}, not for ${platformName(platform)}`,
      { hint: `--platform ${platformName(image)} pulls it all the same` },
    );
  await addBlob(paths, once(bytes), { digest, size: bytes.length });
  return layers;
}

/** Nothing is fetched that the store has, or that another process is fetching. */
async function fetchBlob(
  paths: StorePaths,
  repository: Repository,
  blob: Descriptor,
  say: (phase: PullPhase, bytes: number) => void,
): Promise<void> {
  if (hasBlob(paths, blob)) return;
  using _lock = await lockMaking(paths, 'blob', blob.digest, repository.signal);
  if (hasBlob(paths, blob)) return;
  try {
    await addBlob(paths, counted(downloadBlob(repository, blob)), blob);
  } catch (error) {
    if (!(error instanceof TsrunError && error.code === 'IMAGE_DIGEST_MISMATCH')) throw error;
    throw broken(repository.reference, error.message.replace(/^Cannot read /, ''), error);
  }
  say('downloaded', blob.size);

  async function* counted(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    say('downloading', bytes);
    for await (const piece of pieces) {
      yield piece;
      bytes += piece.length;
      say('downloading', bytes);
    }
  }
}
