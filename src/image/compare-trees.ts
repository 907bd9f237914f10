/** Whether two directories hold the same: names, types, owners, modes, times, extended attributes, links and content. */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { HostPath } from '../lib/brands.ts';
import { sameContent, xattrsOf } from './compare-files.ts';
import { type ByteString, byteString, fromText, toBytes } from './tar/bytes.ts';

export interface TreeDifference {
  /** Below both roots; '' is the root itself. */
  readonly path: ByteString;
  /** What is different about it: `it is missing`. */
  readonly problem: string;
}

/** What is different about `actual`, in the order of names; a directory that is missing stands for all that is in it. */
export function* compareTrees(actual: HostPath, wanted: HostPath): Generator<TreeDifference> {
  const comparison = new Comparison(fromText(actual), fromText(wanted));
  yield* comparison.entry('' as ByteString);
}

class Comparison {
  readonly #actual: ByteString;
  readonly #wanted: ByteString;
  /** Inodes of `wanted` that have several names, and what stands for them in `actual`. */
  readonly #linked = new Map<bigint, bigint>();

  constructor(actual: ByteString, wanted: ByteString) {
    this.#actual = actual;
    this.#wanted = wanted;
  }

  *entry(path: ByteString): Generator<TreeDifference> {
    const paths = [this.#hostPath(this.#actual, path), this.#hostPath(this.#wanted, path)] as const;
    const actual = lstatSync(paths[0], { bigint: true, throwIfNoEntry: false });
    const wanted = lstatSync(paths[1], { bigint: true });
    if (actual === undefined) return yield { path, problem: 'it is missing' };
    if (typeOf(actual) !== typeOf(wanted)) return yield { path, problem: 'it is of another type' };
    for (const { problem, differs } of ATTRIBUTES) if (differs(actual, wanted)) yield { path, problem };
    if (wanted.isSymbolicLink()) {
      if (!readlinkSync(paths[0], 'buffer').equals(readlinkSync(paths[1], 'buffer')))
        yield { path, problem: 'it has another target' };
      return;
    }
    if (!isDeepStrictEqual(xattrsOf(paths[0]), xattrsOf(paths[1])))
      yield { path, problem: 'it has other extended attributes' };
    if (wanted.isDirectory()) yield* this.#names(path, ...paths);
    else if (wanted.isFile()) yield* this.#file(path, paths, actual, wanted);
  }

  *#names(path: ByteString, actual: Buffer, wanted: Buffer): Generator<TreeDifference> {
    const expected = new Set(namesIn(wanted));
    const below = (name: ByteString) => (path === '' ? name : `${path}/${name}`) as ByteString;
    for (const name of namesIn(actual))
      if (!expected.has(name)) yield { path: below(name), problem: 'it does not belong here' };
    for (const name of expected) yield* this.entry(below(name));
  }

  /** The content of a file with several names is read once. */
  *#file(
    path: ByteString,
    paths: readonly [Buffer, Buffer],
    actual: BigIntStats,
    wanted: BigIntStats,
  ): Generator<TreeDifference> {
    const known = this.#linked.get(wanted.ino);
    if (known !== undefined) {
      if (known !== actual.ino) yield { path, problem: 'it is no hard link to the same file' };
      return;
    }
    if (wanted.nlink > 1n) this.#linked.set(wanted.ino, actual.ino);
    if (actual.size !== wanted.size)
      yield { path, problem: `it has ${actual.size} bytes, not ${wanted.size}` };
    else if (!sameContent(...paths)) yield { path, problem: 'it has another content' };
  }

  #hostPath(root: ByteString, path: ByteString): Buffer {
    return toBytes((path === '' ? root : `${root}/${path}`) as ByteString);
  }
}

const ATTRIBUTES: readonly {
  readonly problem: string;
  differs(actual: BigIntStats, wanted: BigIntStats): boolean;
}[] = [
  { problem: 'it has another mode', differs: (a, w) => a.mode !== w.mode },
  { problem: 'it has another owner', differs: (a, w) => a.uid !== w.uid || a.gid !== w.gid },
  { problem: 'it has another time', differs: (a, w) => a.mtimeNs !== w.mtimeNs },
  { problem: 'it is another device', differs: (a, w) => a.rdev !== w.rdev },
  {
    problem: 'it has another number of names',
    differs: (a, w) => !w.isDirectory() && a.nlink !== w.nlink,
  },
];

const S_IFMT = 0o170000n;

function typeOf(stat: BigIntStats): bigint {
  return stat.mode & S_IFMT;
}

function namesIn(path: Buffer): ByteString[] {
  return readdirSync(path, { encoding: 'buffer' })
    .map((name) => byteString(name))
    .toSorted();
}
