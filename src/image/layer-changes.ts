/** What one unpacked layer does to the tree below it: names it adds, changes and removes, and what it hides by that. */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import type { HostPath } from '../lib/brands.ts';
import {
  isOpaque,
  isWhiteout,
  joined,
  type LayerDirectory,
  type LayerEntry,
  LayerStack,
} from './layer-stack.ts';
import { type ByteString, byteString, fromText, toBytes } from './tar/bytes.ts';

export interface LayerChange {
  readonly path: ByteString;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly isDirectory: boolean;
  /** Of the file in this layer; 0 for anything else. */
  readonly sizeBytes: number;
  /** Of the files below that nobody sees any more. */
  readonly hiddenBytes: number;
}

/** `below`: the `diff` directories of the layers below, highest first. Parents come before what is in them. */
export function* layerChanges(diff: HostPath, below: readonly HostPath[]): Generator<LayerChange> {
  const walk = new ChangeWalk(fromText(diff));
  const root = new LayerStack(below.map(fromText)).root();
  yield* walk.directory('' as ByteString, below.length === 0 ? undefined : root, false);
}

class ChangeWalk {
  readonly #root: ByteString;
  /** Files with several names count once. */
  readonly #linked = new Set<bigint>();

  constructor(root: ByteString) {
    this.#root = root;
  }

  *directory(path: ByteString, below: LayerDirectory | undefined, opaque: boolean): Generator<LayerChange> {
    const own = readdirSync(this.#hostPath(path), { encoding: 'buffer' }).map((name) => byteString(name));
    for (const name of own.toSorted()) yield* this.#entry(joined(path, name), below?.lookup(name));
    if (!opaque || below === undefined) return;
    const kept = new Set(own);
    for (const name of [...below.names()].toSorted()) {
      const entry = kept.has(name) ? undefined : below.lookup(name);
      if (entry !== undefined) yield removal(joined(path, name), entry);
    }
  }

  *#entry(path: ByteString, below: LayerEntry | undefined): Generator<LayerChange> {
    const stat = lstatSync(this.#hostPath(path), { bigint: true });
    if (isWhiteout(stat)) {
      if (below !== undefined) yield removal(path, below);
      return;
    }
    const isDirectory = stat.isDirectory();
    const lower = isDirectory && below?.kind === 'directory' ? below : undefined;
    if (lower === undefined || !sameAttributes(stat, lower.stat)) {
      yield {
        path,
        kind: below === undefined ? 'added' : 'changed',
        isDirectory,
        sizeBytes: this.#sizeOf(stat),
        hiddenBytes: below === undefined || lower !== undefined ? 0 : bytesIn(below),
      };
    }
    if (isDirectory) yield* this.directory(path, lower?.directory, isOpaque(this.#hostPath(path)));
  }

  #sizeOf(stat: BigIntStats): number {
    if (!stat.isFile() || this.#linked.has(stat.ino)) return 0;
    if (stat.nlink > 1n) this.#linked.add(stat.ino);
    return Number(stat.size);
  }

  #hostPath(path: ByteString): Buffer {
    return toBytes(joined(this.#root, path));
  }
}

function removal(path: ByteString, below: LayerEntry): LayerChange {
  const isDirectory = below.kind === 'directory';
  return { path, kind: 'removed', isDirectory, sizeBytes: 0, hiddenBytes: bytesIn(below) };
}

function sameAttributes(a: BigIntStats, b: BigIntStats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

/** Sizes of all files that can be seen there. */
export function bytesIn(entry: LayerEntry): number {
  if (entry.kind === 'other') return entry.stat.isFile() ? Number(entry.stat.size) : 0;
  let bytes = 0;
  for (const name of entry.directory.names()) {
    const child = entry.directory.lookup(name);
    if (child !== undefined) bytes += bytesIn(child);
  }
  return bytes;
}
