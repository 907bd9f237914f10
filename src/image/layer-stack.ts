/**
 * The merged view of a stack of unpacked layers, read without mounting them, as overlayfs defines it
 * (Documentation/filesystems/overlayfs.rst): the highest layer that has a name decides; directories of several
 * layers merge until one is opaque or something else is in the way; a character device 0:0 hides the name below.
 */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { native } from '../kernel/native.ts';
import { type ByteString, byteString, toBytes } from './tar/bytes.ts';

/** A real directory of one layer. */
export interface LayerPart {
  /** Index of the layer, 0 the highest. */
  readonly layer: number;
  /** Path below the layer's root; '' is the root. It has no symbolic link in it. */
  readonly path: ByteString;
}

export type LayerEntry =
  | { readonly kind: 'directory'; readonly stat: BigIntStats; readonly directory: LayerDirectory }
  | { readonly kind: 'other'; readonly stat: BigIntStats; readonly part: LayerPart };

const OPAQUE = 'trusted.overlay.opaque';

export class LayerStack {
  readonly #roots: readonly ByteString[];

  /** `roots`: the `diff` directories, highest layer first, as bytes. */
  constructor(roots: readonly ByteString[]) {
    this.#roots = roots;
  }

  /** The merged root directory. */
  root(): LayerDirectory {
    return new LayerDirectory(
      this,
      this.#roots.map((_, layer) => ({ layer, path: '' as ByteString })),
    );
  }

  /** The host's path of `name` in a layer's directory. */
  hostPath(part: LayerPart): Buffer {
    return toBytes(joined(this.#roots[part.layer] as ByteString, part.path));
  }
}

/** One merged directory. */
export class LayerDirectory {
  readonly #stack: LayerStack;
  /** Highest first; the first one's attributes are the ones seen. */
  readonly parts: readonly LayerPart[];

  constructor(stack: LayerStack, parts: readonly LayerPart[]) {
    this.#stack = stack;
    this.parts = parts;
  }

  lookup(name: ByteString): LayerEntry | undefined {
    const found: LayerPart[] = [];
    let top: BigIntStats | undefined;
    for (const parent of this.parts) {
      const part = { layer: parent.layer, path: joined(parent.path, name) };
      const path = this.#stack.hostPath(part);
      const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (isWhiteout(stat)) break;
      if (!stat.isDirectory()) {
        if (top === undefined) return { kind: 'other', stat, part };
        break;
      }
      top ??= stat;
      found.push(part);
      if (parent !== this.parts.at(-1) && isOpaque(path)) break;
    }
    if (top === undefined) return undefined;
    return { kind: 'directory', stat: top, directory: new LayerDirectory(this.#stack, found) };
  }

  /** Every name that can be seen in the directory. */
  names(): Set<ByteString> {
    const names = new Set<ByteString>();
    const hidden = new Set<ByteString>();
    for (const part of this.parts) {
      const path = this.#stack.hostPath(part);
      for (const raw of readdirSync(path, { encoding: 'buffer' })) {
        const name = byteString(raw);
        if (names.has(name) || hidden.has(name)) continue;
        const stat = lstatSync(this.#stack.hostPath({ ...part, path: joined(part.path, name) }), {
          bigint: true,
        });
        (isWhiteout(stat) ? hidden : names).add(name);
      }
    }
    return names;
  }
}

export function joined(parent: ByteString, name: ByteString): ByteString {
  if (parent === '') return name;
  return name === '' ? parent : (`${parent}/${name}` as ByteString);
}

/** A character device 0:0 takes the name away from the layers below. */
export function isWhiteout(stat: BigIntStats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0n;
}

const value = Buffer.alloc(1);

/** Whether nothing of the layers below is seen in the directory `path`. */
export function isOpaque(path: Buffer): boolean {
  const length = native().tsr_lgetxattr(Buffer.concat([path, Buffer.from([0])]), OPAQUE, value, value.length);
  return length === 1 && value[0] === 'y'.charCodeAt(0);
}
