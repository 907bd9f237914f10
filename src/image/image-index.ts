/**
 * index.json: which images the store has, and under which names. One descriptor for each name; an image that lost its
 * last name keeps one without a name until it is removed.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Digest } from '../lib/brands.ts';
import { type Descriptor, MEDIA_TYPES, parseIndex, REF_NAME } from '../spec/image.ts';
import { writeFileDurably } from './durable.ts';
import { FileLock } from './locks.ts';
import type { StorePaths } from './store-paths.ts';

export class ImageIndex {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  /** All entries. An index that is not there yet has none. */
  entries(): readonly Descriptor[] {
    if (!existsSync(this.#paths.index)) return [];
    return parseIndex(readFileSync(this.#paths.index), MEDIA_TYPES.ociIndex, this.#paths.index).manifests;
  }

  /** Replaces the entries by what `change` makes of them, under the lock; the same array means no change. */
  update(change: (entries: readonly Descriptor[]) => readonly Descriptor[]): void {
    using _lock = FileLock.waitBriefly(this.#paths.indexLock, 'exclusive');
    const before = this.entries();
    const manifests = change(before);
    if (manifests !== before) this.#write(manifests);
  }

  /** Writes an empty index where there is none, so that the layout is complete for other tools. */
  create(): void {
    if (existsSync(this.#paths.index)) return;
    using _lock = FileLock.waitBriefly(this.#paths.indexLock, 'exclusive');
    if (!existsSync(this.#paths.index)) this.#write([]);
  }

  #write(manifests: readonly Descriptor[]): void {
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
    writeFileDurably(this.#paths, this.#paths.index, `${JSON.stringify(document, undefined, 2)}\n`);
  }

  /** Gives `name` to an image, taking it from the one that had it. Without a name the image is only listed. */
  add(image: Descriptor, name: string | undefined): void {
    this.update((entries) => withName(entries, image, name));
  }
}

export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME];
}

/** The entries that name the same manifest. */
export function entriesOf(entries: readonly Descriptor[], manifest: Digest): readonly Descriptor[] {
  return entries.filter((entry) => entry.digest === manifest);
}

/** `entries` with `name` given to `image`. */
export function withName(
  entries: readonly Descriptor[],
  image: Descriptor,
  name: string | undefined,
): readonly Descriptor[] {
  const entry = bare(image);
  if (name === undefined) return entriesOf(entries, image.digest).length > 0 ? entries : [...entries, entry];
  const others = withoutName(entries, name).filter(
    (e) => e.digest !== image.digest || nameOf(e) !== undefined,
  );
  return [...others, { ...entry, annotations: { [REF_NAME]: name } }];
}

/** Takes a name away; an image whose last name it was stays as an entry without a name. */
export function withoutName(entries: readonly Descriptor[], name: string): readonly Descriptor[] {
  const named = entries.find((entry) => nameOf(entry) === name);
  if (named === undefined) return entries;
  const rest = entries.filter((entry) => entry !== named);
  return entriesOf(rest, named.digest).length > 0 ? rest : [...rest, bare(named)];
}

/** Annotations of an archive's index do not enter the store. */
function bare({ mediaType, digest, size, platform }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...(platform ? { platform } : {}) };
}
