/** `tsrun image diff`: what the files of one image are, compared with those of another, as a container would see them. */
import { readlinkSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { HostPath } from '../lib/brands.ts';
import { sameContent, xattrsOf } from './compare-files.ts';
import { bytesIn } from './layer-changes.ts';
import { joined, type LayerDirectory, type LayerEntry, type LayerPart, LayerStack } from './layer-stack.ts';
import type { ResolvedImage } from './resolved.ts';
import { type ByteString, fromText } from './tar/bytes.ts';

export interface PathDifference {
  readonly path: ByteString;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly isDirectory: boolean;
  /** What is different about something that both have: `content`, `mode` … */
  readonly what: readonly string[];
  /** Of the files there in the first image, and in the second. */
  readonly beforeBytes: number;
  readonly afterBytes: number;
}

/** A field of the configuration, as the image has it. */
export interface FieldDifference {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface ImageDifference {
  readonly fields: readonly FieldDifference[];
  readonly paths: readonly PathDifference[];
}

export function imageDifference(before: ResolvedImage, after: ResolvedImage): ImageDifference {
  const diffs = ({ layers }: ResolvedImage) => layers.map(({ diffPath }) => diffPath).reverse();
  return {
    fields: fieldDifferences(settings(before), settings(after)),
    paths: [...treeDifferences(diffs(before), diffs(after))],
  };
}

/** What of the configuration decides how a container runs. */
function settings({ config }: ResolvedImage): Readonly<Record<string, unknown>> {
  return { Os: config.os, Architecture: config.architecture, Variant: config.variant, ...config.config };
}

function fieldDifferences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): FieldDifference[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((field) => !isDeepStrictEqual(before[field], after[field]))
    .map((field) => ({ field, before: before[field], after: after[field] }));
}

/**
 * `before` and `after`: `diff` directories, highest layer first. Something that only one image has is one difference
 * with all that is in it. Times do not count: two builds of the same files have different ones. Layers that both
 * images have are not read.
 */
export function* treeDifferences(
  before: readonly HostPath[],
  after: readonly HostPath[],
): Generator<PathDifference> {
  const comparison = new Comparison(
    new LayerStack(before.map(fromText)),
    new LayerStack(after.map(fromText)),
  );
  yield* comparison.run();
}

class Comparison {
  readonly #before: LayerStack;
  readonly #after: LayerStack;

  constructor(before: LayerStack, after: LayerStack) {
    this.#before = before;
    this.#after = after;
  }

  *run(): Generator<PathDifference> {
    yield* this.#directories('' as ByteString, this.#before.root(), this.#after.root());
  }

  *#directories(path: ByteString, before: LayerDirectory, after: LayerDirectory): Generator<PathDifference> {
    if (this.#sameParts(before.parts, after.parts)) return;
    for (const name of [...new Set([...before.names(), ...after.names()])].toSorted())
      yield* this.#entries(joined(path, name), before.lookup(name), after.lookup(name));
  }

  *#entries(
    path: ByteString,
    before: LayerEntry | undefined,
    after: LayerEntry | undefined,
  ): Generator<PathDifference> {
    const either = after ?? before;
    if (either === undefined) return;
    const what = before && after ? this.#whatDiffers(before, after) : [];
    if (before === undefined || after === undefined || what.length > 0) {
      const merged = before?.kind === 'directory' && after?.kind === 'directory';
      yield {
        path,
        kind: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
        isDirectory: either.kind === 'directory',
        what,
        beforeBytes: before === undefined || merged ? 0 : bytesIn(before),
        afterBytes: after === undefined || merged ? 0 : bytesIn(after),
      };
    }
    if (before?.kind === 'directory' && after?.kind === 'directory')
      yield* this.#directories(path, before.directory, after.directory);
  }

  #whatDiffers(before: LayerEntry, after: LayerEntry): string[] {
    const [a, b] = [this.#hostPath(this.#before, before), this.#hostPath(this.#after, after)];
    if (a.equals(b)) return [];
    const [was, is] = [before.stat, after.stat];
    if ((was.mode & S_IFMT) !== (is.mode & S_IFMT)) return ['type'];
    const what: string[] = [];
    if (was.mode !== is.mode) what.push('mode');
    if (was.uid !== is.uid || was.gid !== is.gid) what.push('owner');
    if (was.rdev !== is.rdev) what.push('device');
    if (is.isSymbolicLink()) {
      if (!readlinkSync(a, 'buffer').equals(readlinkSync(b, 'buffer'))) what.push('target');
      return what;
    }
    if (!isDeepStrictEqual(visibleXattrs(a), visibleXattrs(b))) what.push('attributes');
    if (is.isFile() && (was.size !== is.size || !sameContent(a, b))) what.push('content');
    return what;
  }

  #sameParts(before: readonly LayerPart[], after: readonly LayerPart[]): boolean {
    if (before.length !== after.length) return false;
    return before.every((part, i) =>
      this.#before.hostPath(part).equals(this.#after.hostPath(after[i] as LayerPart)),
    );
  }

  #hostPath(stack: LayerStack, entry: LayerEntry): Buffer {
    return stack.hostPath(entry.kind === 'other' ? entry.part : (entry.directory.parts[0] as LayerPart));
  }
}

const S_IFMT = 0o170000n;

/** Without the marks of overlayfs, which a container does not see. */
function visibleXattrs(path: Buffer) {
  const all = Object.entries(xattrsOf(path));
  return Object.fromEntries(all.filter(([name]) => !name.startsWith('trusted.overlay.')));
}
