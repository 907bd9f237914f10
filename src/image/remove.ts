/** `tsrun rmi`, with Docker's rules: a name goes; with the last name goes the image; what containers use stays. */
import { rmSync } from 'node:fs';
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import type { Descriptor } from '../spec/image.ts';
import { findImage, imageId } from './find.ts';
import { collectGarbage } from './gc.ts';
import { ImageIndex, nameOf, withoutName } from './image-index.ts';
import { familiarName, familiarRepository, parseReference } from './reference.ts';
import type { StorePaths } from './store-paths.ts';
import { startRemoval } from './work.ts';

export interface ImageUse {
  /** The image a container was made from. */
  readonly imageId: Digest;
  readonly containerId: string;
  readonly running: boolean;
  /** Chain IDs of the layers it is mounted on. */
  readonly layers: readonly Digest[];
}

export interface RemoveOptions {
  /** Removes an image by ID with all its names, and one that only stopped containers use. */
  readonly force?: boolean;
  /** What containers use; asked for once nobody else can start one. */
  readonly uses: () => readonly ImageUse[];
}

export interface RemovedImage {
  /** Names that went, in familiar form. */
  readonly untagged: readonly string[];
  /** The image ID, when the image itself went. */
  readonly deleted: Digest | undefined;
}

/** Throws IMAGE_NOT_FOUND or IMAGE_IN_USE. */
export async function removeImage(
  paths: StorePaths,
  text: string,
  options: RemoveOptions,
): Promise<RemovedImage> {
  using work = await startRemoval(paths);
  const uses = options.uses();
  let removed: RemovedImage = { untagged: [], deleted: undefined };
  new ImageIndex(paths).update((entries) => {
    const { entry, name } = findImage(entries, paths, text);
    const id = imageId(entry, paths) ?? entry.digest;
    const same = entries.filter((e) => e === entry || imageId(e, paths) === id);
    const names = same.flatMap((e) => nameOf(e) ?? []);
    const going = name === undefined ? names : [name, ...digestsLeftAlone(name, names)];
    const untagged = going.map((n) => familiarName(parseReference(n)));
    if (going.length < names.length) {
      removed = { untagged, deleted: undefined };
      return going.reduce(withoutName, entries);
    }
    if (name === undefined && !options.force) refuseSeveralRepositories(text, names);
    const stays = refuseOrKeepUsed(text, id, uses, options.force ?? false, name !== undefined);
    removed = { untagged, deleted: stays ? undefined : id };
    if (!stays) forgetResolved(paths, same);
    return stays ? going.reduce(withoutName, entries) : entries.filter((e) => !same.includes(e));
  });
  collectGarbage(
    paths,
    uses.flatMap((use) => use.layers),
  );
  work.done();
  return removed;
}

/** First of all: where the disk is full, this makes the room that the new index needs. The next use would make it again. */
export function forgetResolved(paths: StorePaths, entries: readonly Descriptor[]): void {
  for (const { digest } of entries) rmSync(paths.resolvedImage(digest), { force: true });
}

/** With the last tag of a repository go its names by digest: nobody gave them. `docker rmi` does the same. */
function digestsLeftAlone(going: string, names: readonly string[]): readonly string[] {
  const { tag, ...repository } = parseReference(going);
  if (tag === undefined) return [];
  const others = names.filter((name) => {
    const { registry, path } = parseReference(name);
    return name !== going && registry === repository.registry && path === repository.path;
  });
  return others.every((name) => parseReference(name).tag === undefined) ? others : [];
}

function refuseSeveralRepositories(text: string, names: readonly string[]): void {
  const repositories = new Set(names.map((name) => familiarRepository(parseReference(name))));
  if (repositories.size <= 1) return;
  throw inUse(
    text,
    `it has names in ${repositories.size} repositories`,
    'remove it name by name, or use --force',
  );
}

/** True when only the name goes, because a container still needs the image. */
function refuseOrKeepUsed(
  text: string,
  id: Digest,
  uses: readonly ImageUse[],
  force: boolean,
  byName: boolean,
): boolean {
  const used = uses.filter((use) => use.imageId === id);
  const user = used.find((use) => use.running) ?? used[0];
  if (user === undefined) return false;
  const state = user.running ? 'running' : 'stopped';
  const problem = `the ${state} container ${user.containerId.slice(0, 12)} uses it`;
  if (!force)
    throw inUse(text, problem, 'remove the container first, or use --force to take only the name away');
  if (user.running && !byName) throw inUse(text, problem, 'stop and remove the container first');
  return true;
}

function inUse(text: string, problem: string, hint: string): TsrunError {
  return new TsrunError('IMAGE_IN_USE', `Cannot remove the image ${text}: ${problem}`, { hint });
}
