/**
 * The end of a layer. Whiteouts apply to the layers below only, wherever they stand in the tar, so they become
 * overlayfs' marks when all entries are known; and a directory's time is set when nothing in it changes any more.
 */
import { type ByteString, fromText } from '../tar/bytes.ts';
import type { LayerTree } from './layer-tree.ts';
import type { Attributes, RecordWriter } from './records.ts';
import type { DirectoryNode } from './tree.ts';

const S_IFCHR = 0o020000;
const OPAQUE: ReadonlyMap<ByteString, Buffer> = new Map([
  [fromText('trusted.overlay.opaque'), Buffer.from('y')],
]);
const NONE: ReadonlyMap<ByteString, Buffer> = new Map();

export function settle(tree: LayerTree, records: RecordWriter): void {
  tree.checkCopied();
  spreadOpaqueRoot(tree);
  settleDirectory(tree.root, tree, records);
}

/** overlayfs has no opaque root: each name of the layers below is taken away instead. */
function spreadOpaqueRoot(tree: LayerTree): void {
  if (!tree.root.opaque) return;
  tree.root.opaque = false;
  tree.root.whiteouts = new Set(tree.namesBelowRoot());
}

function settleDirectory(dir: DirectoryNode, tree: LayerTree, records: RecordWriter): void {
  if (dir.whiteouts) settleWhiteouts(dir, dir.whiteouts, tree, records);
  for (const child of dir.children.values())
    if (child.kind === 'directory') settleDirectory(child, tree, records);
  const attributes: Attributes = {
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: dir.mtime,
    xattrs: dir.opaque ? OPAQUE : NONE,
  };
  records.put({ op: 'settle', parent: dir.parent?.path ?? dir.path, name: dir.name, attributes });
}

/**
 * What the layer itself has stays: a directory then shows nothing from below. A mark without anything below it to
 * hide is left out, because overlayfs shows such a file in a directory that it need not merge.
 */
function settleWhiteouts(
  dir: DirectoryNode,
  names: ReadonlySet<ByteString>,
  tree: LayerTree,
  records: RecordWriter,
): void {
  dir.whiteouts = undefined;
  for (const name of names) {
    const child = dir.children.get(name);
    if (child?.kind === 'directory') child.opaque = true;
    if (child !== undefined || tree.visibleBelow(dir, name) === undefined) continue;
    const attributes: Attributes = { mode: S_IFCHR, uid: 0, gid: 0, mtime: dir.mtime, xattrs: NONE };
    records.put({ op: 'node', parent: dir.path, name, attributes, device: { major: 0, minor: 0 } });
  }
}
