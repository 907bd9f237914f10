/**
 * What each entry of a layer's tar does to the layer's directory. The order of the rules follows
 * docs/decisions/unpack.md: names, then the last entry of a name wins, then links, then whiteouts at the end.
 */
import { TsrunError } from '../../lib/errors.ts';
import { type ByteString, printable } from '../tar/bytes.ts';
import { tarError } from '../tar/error.ts';
import type { TarEntry, TarSink } from '../tar/reader.ts';
import { parseEntryName, parseLinkTarget } from './entry-name.ts';
import { attributesOf, LayerTree } from './layer-tree.ts';
import type { LowerLayers } from './lower.ts';
import type { RecordWriter } from './records.ts';
import { settle } from './settle.ts';
import { type DirectoryNode, LEAF, type Node, pathIn } from './tree.ts';
import { keptXattrs } from './xattrs.ts';

export interface UnpackLimits {
  /** Sum of the sizes of all files. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 256 * 1024 ** 3, maxEntries: 2_000_000 };

/** File type bits of mknod(2). */
const NODE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
const MAX_TARGET_BYTES = 4095;

export class LayerApplier implements TarSink {
  readonly #records: RecordWriter;
  readonly #tree: LayerTree;
  readonly #lower: LowerLayers;
  readonly #limits: UnpackLimits;
  #fileLeft = 0;
  /** Data of an entry that makes no file (a whiteout) is read past. */
  #wanted = false;
  #rootSeen = false;
  sizeBytes = 0;
  entries = 0;

  constructor(records: RecordWriter, lower: LowerLayers, limits: UnpackLimits) {
    this.#records = records;
    this.#lower = lower;
    this.#tree = new LayerTree(records, lower);
    this.#limits = limits;
  }

  entry(entry: TarEntry): void {
    this.#count(entry);
    this.#wanted = false;
    const name = parseEntryName(entry.name);
    switch (name.kind) {
      case 'aufs':
        return;
      case 'root':
        this.#root(entry);
        return;
      case 'opaque': {
        const dir = this.#tree.directoryAt(name.parents, entry.mtime, 'ignore');
        if (dir) dir.opaque = true;
        return;
      }
      case 'whiteout': {
        const dir = this.#tree.directoryAt(name.parents, entry.mtime, 'ignore');
        dir?.hideBelow(name.name);
        return;
      }
      case 'place':
        this.#place(this.#tree.directoryAt(name.parents, entry.mtime, 'make'), name.name, entry);
        return;
      default:
        name satisfies never;
    }
  }

  data(bytes: Buffer): void {
    if (!this.#wanted) return;
    this.#records.append(bytes);
    this.#fileLeft -= bytes.length;
    if (this.#fileLeft === 0) this.#records.endFile();
  }

  /** After the last entry: whiteouts, opaque marks and the directories' times go out. */
  finish(): void {
    if (!this.#rootSeen) this.#rootFromBelow();
    settle(this.#tree, this.#records);
    this.#records.flush();
  }

  #count(entry: TarEntry): void {
    this.entries++;
    this.sizeBytes += entry.size;
    if (this.entries > this.#limits.maxEntries)
      throw tooLarge(`it has more than ${this.#limits.maxEntries} entries`);
    if (this.sizeBytes > this.#limits.maxBytes)
      throw tooLarge(`its files have more than ${this.#limits.maxBytes} bytes`);
  }

  #root(entry: TarEntry): void {
    if (entry.type !== 'directory') throw tarError(`the root ${printable(entry.name)} is not a directory`);
    const root = this.#tree.root;
    const attributes = { ...entry, xattrs: keptXattrs(entry) };
    this.#records.put({ op: 'attributes', parent: root.path, name: root.name, attributes });
    root.mtime = entry.mtime;
    this.#rootSeen = true;
  }

  /** The merged root has the attributes of the highest layer, so a layer that is silent on them repeats those below. */
  #rootFromBelow(): void {
    const stat = this.#lower.rootStat();
    if (stat === undefined) return;
    const root = this.#tree.root;
    const attributes = attributesOf(stat);
    this.#records.put({ op: 'attributes', parent: root.path, name: root.name, attributes });
    root.mtime = attributes.mtime;
  }

  #place(parent: DirectoryNode, name: ByteString, entry: TarEntry): void {
    const existing = parent.children.get(name);
    const place = { parent: parent.path, name };
    const attributes = { ...entry, xattrs: keptXattrs(entry) };
    switch (entry.type) {
      case 'directory':
        if (existing?.kind === 'directory') {
          this.#records.put({ op: 'attributes', ...place, attributes });
          existing.mtime = entry.mtime;
        } else {
          this.#tree.remove(parent, name);
          this.#tree.addDirectory(parent, name, attributes);
        }
        return;
      case 'file':
        this.#replace(parent, name, LEAF);
        this.#records.beginFile({ op: 'file', ...place, attributes });
        this.#fileLeft = entry.size;
        this.#wanted = entry.size > 0;
        if (entry.size === 0) this.#records.endFile();
        return;
      case 'symlink':
        if (entry.link === '' || entry.link.length > MAX_TARGET_BYTES) {
          throw tarError(
            `the symbolic link ${printable(entry.name)} has a target of ${entry.link.length} bytes`,
          );
        }
        this.#replace(parent, name, { kind: 'symlink', target: entry.link, copied: false });
        this.#records.put({ op: 'symlink', ...place, target: entry.link, attributes });
        return;
      case 'link':
        this.#link(parent, name, entry);
        return;
      case 'char':
      case 'block':
      case 'fifo':
        if (entry.type === 'char' && entry.major === 0 && entry.minor === 0) {
          throw tarError(
            `the device ${printable(entry.name)} has the number 0:0, which overlayfs takes for a whiteout`,
          );
        }
        this.#replace(parent, name, LEAF);
        this.#records.put({
          op: 'node',
          ...place,
          attributes: { ...attributes, mode: entry.mode | NODE_TYPES[entry.type], xattrs: new Map() },
          device: { major: entry.major, minor: entry.minor },
        });
        return;
      default:
        entry.type satisfies never;
    }
  }

  #replace(parent: DirectoryNode, name: ByteString, node: Node): void {
    this.#tree.remove(parent, name);
    parent.children.set(name, node);
  }

  #link(parent: DirectoryNode, name: ByteString, entry: TarEntry): void {
    const to = parseLinkTarget(entry.link);
    const refuse = (problem: string) =>
      tarError(
        `the hard link ${printable(entry.name)} has the target ${printable(entry.link)}, which ${problem}`,
      );
    const targetParent = this.#tree.directoryAt(to.parents, entry.mtime, 'ignore');
    if (targetParent === undefined) throw refuse('does not exist');
    let node = targetParent.children.get(to.name);
    if (targetParent === parent && to.name === name) throw refuse('is the link itself');
    if (node === undefined) {
      const below = this.#tree.visibleBelow(targetParent, to.name);
      if (below === undefined) throw refuse('does not exist');
      if (below.kind === 'directory') throw refuse('is a directory');
      node = this.#tree.copyUp(targetParent, to.name, below);
    }
    if (node.kind === 'directory') throw refuse('is a directory');
    if (isBelow(targetParent, parent.children.get(name)))
      throw refuse('goes away with the entry that the link replaces');
    this.#replace(parent, name, node.kind === 'symlink' ? { ...node, copied: false } : LEAF);
    this.#records.put({ op: 'link', parent: parent.path, name, target: pathIn(targetParent, to.name) });
  }
}

function isBelow(dir: DirectoryNode, ancestor: Node | undefined): boolean {
  for (let at: DirectoryNode | undefined = dir; at !== undefined; at = at.parent)
    if (at === ancestor) return true;
  return false;
}

function tooLarge(problem: string): TsrunError {
  return new TsrunError('IMAGE_LAYER_TOO_LARGE', `Cannot unpack a layer: ${problem}`, {
    hint: 'an image this large is most likely damaged or hostile',
  });
}
