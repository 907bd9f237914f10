/**
 * The layer under construction together with the layers below it: finding the directory that an entry goes to
 * (through symbolic links of any layer), making directories that only a lower layer has, and taking names away.
 */
import type { BigIntStats } from 'node:fs';
import { readlinkSync } from 'node:fs';
import type { LayerDirectory, LayerEntry } from '../layer-stack.ts';
import { components, MAX_SYMLINKS } from '../layer-view.ts';
import { type ByteString, byteString, printable } from '../tar/bytes.ts';
import { tarError } from '../tar/error.ts';
import type { Timestamp } from '../tar/numbers.ts';
import type { LowerLayers } from './lower.ts';
import type { Attributes, RecordWriter } from './records.ts';
import { COPIED_LEAF, DirectoryNode, type Node, pathIn } from './tree.ts';

const NO_XATTRS: ReadonlyMap<ByteString, Buffer> = new Map();

export class LayerTree {
  readonly root: DirectoryNode;
  readonly #records: RecordWriter;
  readonly #lower: LowerLayers;
  readonly #below = new Map<DirectoryNode, LayerDirectory | undefined>();
  readonly #copied: { readonly parent: DirectoryNode; readonly name: ByteString }[] = [];

  constructor(records: RecordWriter, lower: LowerLayers) {
    this.#records = records;
    this.#lower = lower;
    this.root = new DirectoryNode(undefined, '' as ByteString, { seconds: 0, nanoseconds: 0 });
    const below = lower.stack.root();
    this.#below.set(this.root, below.parts.length > 0 ? below : undefined);
  }

  /**
   * The directory `path`, with symbolic links resolved inside the root. A directory that only lower layers have is
   * copied from there without its content; one that no layer has, or whose place something else takes, is made with
   * mode 0755 and `mtime`, except when `missing` is 'ignore': then the answer is undefined.
   */
  directoryAt(path: readonly ByteString[], mtime: Timestamp, missing: 'make'): DirectoryNode;
  directoryAt(path: readonly ByteString[], mtime: Timestamp, missing: 'ignore'): DirectoryNode | undefined;
  directoryAt(
    path: readonly ByteString[],
    mtime: Timestamp,
    missing: 'make' | 'ignore',
  ): DirectoryNode | undefined {
    const todo = path.toReversed();
    let at = this.root;
    let links = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '..') {
        at = at.parent ?? at;
        continue;
      }
      const step = this.#step(at, name, mtime, missing);
      if (step === undefined) return undefined;
      if (step instanceof DirectoryNode) {
        at = step;
        continue;
      }
      if (++links > MAX_SYMLINKS) {
        throw tarError(
          `the directory ${printable(path.join('/') as ByteString)} goes through too many symbolic links (ELOOP)`,
        );
      }
      if (step.link.startsWith('/')) at = this.root;
      todo.push(...components(step.link).reverse());
    }
    return at;
  }

  /** One component on the way: a directory, or a link to follow. */
  #step(at: DirectoryNode, name: ByteString, mtime: Timestamp, missing: 'make' | 'ignore') {
    const child = at.children.get(name);
    if (child?.kind === 'directory') return child;
    if (child?.kind === 'symlink') return { link: child.target };
    const below = child === undefined ? this.visibleBelow(at, name) : undefined;
    if (below?.kind === 'directory') return this.#copyDirectory(at, name, below);
    if (below?.stat.isSymbolicLink()) return { link: this.#readLink(below) };
    if (missing === 'ignore') return undefined;
    this.remove(at, name);
    return this.addDirectory(at, name, { mode: 0o755, uid: 0, gid: 0, mtime, xattrs: NO_XATTRS });
  }

  addDirectory(parent: DirectoryNode, name: ByteString, attributes: Attributes): DirectoryNode {
    this.#records.put({ op: 'directory', parent: parent.path, name, attributes });
    const node = new DirectoryNode(parent, name, attributes.mtime);
    parent.children.set(name, node);
    return node;
  }

  /** What the layers below have at this place, as far as this layer lets it be seen. */
  visibleBelow(dir: DirectoryNode, name: ByteString): LayerEntry | undefined {
    if (dir.whiteouts?.has(name) || isHidden(dir)) return undefined;
    return this.#directoryBelow(dir)?.lookup(name);
  }

  /** Names that the layers below have in the root. */
  namesBelowRoot(): Iterable<ByteString> {
    return this.#directoryBelow(this.root)?.names() ?? [];
  }

  #directoryBelow(dir: DirectoryNode): LayerDirectory | undefined {
    if (this.#below.has(dir)) return this.#below.get(dir);
    const entry = dir.parent && this.#directoryBelow(dir.parent)?.lookup(dir.name);
    const below = entry?.kind === 'directory' ? entry.directory : undefined;
    this.#below.set(dir, below);
    return below;
  }

  /** Takes `name` away from this layer, with everything below it. */
  remove(parent: DirectoryNode, name: ByteString): void {
    const node = parent.children.get(name);
    if (node === undefined) return;
    if (node.kind === 'directory') for (const child of [...node.children.keys()]) this.remove(node, child);
    this.#records.put({ op: 'remove', parent: parent.path, name, directory: node.kind === 'directory' });
    parent.children.delete(name);
    if (node.kind === 'directory') this.#below.delete(node);
  }

  #copyDirectory(
    parent: DirectoryNode,
    name: ByteString,
    entry: LayerEntry & { kind: 'directory' },
  ): DirectoryNode {
    const part = entry.directory.parts[0];
    if (part === undefined) throw new Error('a merged directory has at least one part');
    const attributes = attributesOf(entry.stat);
    const lower = this.#lower.descriptor(part.layer);
    this.#records.put({ op: 'copy', parent: parent.path, name, target: part.path, lower, attributes });
    const node = new DirectoryNode(parent, name, attributes.mtime);
    parent.children.set(name, node);
    return node;
  }

  /** Brings a file of a lower layer up, so that it can get a second name here, as overlayfs does for link(2). */
  copyUp(parent: DirectoryNode, name: ByteString, entry: LayerEntry & { kind: 'other' }): Node {
    const { stat, part } = entry;
    const attributes = attributesOf(stat);
    const place = { parent: parent.path, name, attributes };
    let node: Node = COPIED_LEAF;
    if (stat.isSymbolicLink()) {
      const target = this.#readLink(entry);
      this.#records.put({ op: 'symlink', ...place, target });
      node = { kind: 'symlink', target, copied: true };
    } else if (stat.isFile()) {
      this.#records.put({
        op: 'copy',
        ...place,
        target: part.path,
        lower: this.#lower.descriptor(part.layer),
      });
    } else {
      const mode = Number(stat.mode);
      this.#records.put({
        op: 'node',
        ...place,
        attributes: { ...attributes, mode },
        device: deviceOf(stat),
      });
    }
    parent.children.set(name, node);
    this.#copied.push({ parent, name });
    return node;
  }

  /** Throws when a whiteout of this layer took away what a hard link of this layer names. */
  checkCopied(): void {
    for (const { parent, name } of this.#copied) {
      const node = parent.children.get(name);
      if (node === undefined || node.kind === 'directory' || !node.copied) continue;
      if (!parent.whiteouts?.has(name) && !isHidden(parent)) continue;
      throw tarError(
        `a hard link has the target ${printable(pathIn(parent, name))}, which the layer removes`,
      );
    }
  }

  #readLink(entry: LayerEntry & { kind: 'other' }): ByteString {
    return byteString(readlinkSync(this.#lower.stack.hostPath(entry.part), { encoding: 'buffer' }));
  }
}

/** Whether this layer cuts the directory off from the layers below: it or one above it is opaque or whited out. */
function isHidden(dir: DirectoryNode): boolean {
  for (let at: DirectoryNode | undefined = dir; at !== undefined; at = at.parent) {
    if (at.opaque || at.parent?.whiteouts?.has(at.name)) return true;
  }
  return false;
}

export function attributesOf(stat: BigIntStats): Attributes {
  const seconds = stat.mtimeNs / 1_000_000_000n - (stat.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n);
  return {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: { seconds: Number(seconds), nanoseconds: Number(stat.mtimeNs - seconds * 1_000_000_000n) },
    xattrs: NO_XATTRS,
  };
}

/** Linux's encoding of a device number in stat; makedev(3). */
function deviceOf(stat: BigIntStats): { major: number; minor: number } {
  const dev = stat.rdev;
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & ~0xffn & 0xffffffffn)),
  };
}
