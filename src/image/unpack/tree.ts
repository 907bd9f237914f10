/**
 * What the layer under construction looks like, kept in memory while its files are made: which names exist and of
 * what kind. With it no entry needs a look at the disk, and the last entry of a name can replace an earlier one.
 */
import type { ByteString } from '../tar/bytes.ts';
import type { Timestamp } from '../tar/numbers.ts';

export interface SymlinkNode {
  readonly kind: 'symlink';
  readonly target: ByteString;
  readonly copied: boolean;
}

/** Anything without names below it. `copied`: it came up from a lower layer, as the target of a hard link. */
export interface LeafNode {
  readonly kind: 'leaf';
  readonly copied: boolean;
}

export type Node = DirectoryNode | SymlinkNode | LeafNode;

export const LEAF: LeafNode = Object.freeze({ kind: 'leaf', copied: false });
export const COPIED_LEAF: LeafNode = Object.freeze({ kind: 'leaf', copied: true });

export class DirectoryNode {
  readonly kind = 'directory';
  readonly parent: DirectoryNode | undefined;
  readonly name: ByteString;
  /** Below the layer's root; '' is the root. */
  readonly path: ByteString;
  readonly children = new Map<ByteString, Node>();
  /** Names that a whiteout of this layer takes away from the layers below. */
  whiteouts: Set<ByteString> | undefined;
  /** Nothing of the layers below is seen in it. */
  opaque = false;
  mtime: Timestamp;

  constructor(parent: DirectoryNode | undefined, name: ByteString, mtime: Timestamp) {
    this.parent = parent;
    this.name = name;
    this.path = parent === undefined ? ('' as ByteString) : pathIn(parent, name);
    this.mtime = mtime;
  }

  hideBelow(name: ByteString): void {
    this.whiteouts ??= new Set();
    this.whiteouts.add(name);
  }
}

export function pathIn(parent: DirectoryNode, name: ByteString): ByteString {
  return parent.path === '' ? name : (`${parent.path}/${name}` as ByteString);
}
