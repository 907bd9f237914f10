/** Unpacking raw layers and looking at them through the kernel's own overlayfs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { DEFAULT_LIMITS, type UnpackLimits } from '../../src/image/unpack/apply.ts';
import { type UnpackedLayer, unpackLayer } from '../../src/image/unpack/unpack-layer.ts';
import { removeTree } from '../../src/kernel/remove-tree.ts';
import type { HostPath } from '../../src/lib/brands.ts';
import { type RawEntry, rawTar } from './raw-tar.ts';

/** A directory that is gone after the test. */
export function temporaryDirectory(): HostPath {
  const path = mkdtempSync(join(tmpdir(), 'tsrun-image-')) as HostPath;
  onTestFinished(() => removeTree(path));
  return path;
}

export async function* pieces(bytes: Buffer, size = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export interface TestLayers {
  /** The `diff` directories, lowest first. */
  readonly diffs: readonly HostPath[];
  readonly results: readonly UnpackedLayer[];
}

/** Unpacks each list of entries as a layer on top of those before it. */
export async function unpackLayers(
  layers: readonly (readonly RawEntry[] | Buffer)[],
  limits: UnpackLimits = DEFAULT_LIMITS,
): Promise<TestLayers> {
  const directory = temporaryDirectory();
  const diffs: HostPath[] = [];
  const results: UnpackedLayer[] = [];
  for (const [i, layer] of layers.entries()) {
    const into = join(directory, `layer${i}`) as HostPath;
    mkdirSync(into);
    const tar = pieces(Buffer.isBuffer(layer) ? layer : rawTar(layer as readonly RawEntry[]));
    results.push(await unpackLayer({ tar, into, lower: diffs.toReversed(), limits, sync: false }));
    diffs.push(into);
  }
  return { diffs, results };
}

/** Mounts the layers as a container would see them, for as long as `look` runs. */
export function merged<T>(diffs: readonly HostPath[], look: (root: string) => T): T {
  const directory = temporaryDirectory();
  const root = join(directory, 'merged');
  const empty = join(directory, 'empty'); // overlayfs wants two lower directories when there is no upper one
  for (const path of [root, empty]) mkdirSync(path);
  const lower = [...diffs.toReversed(), empty].join(':');
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${lower}`, root]);
  try {
    return look(root);
  } finally {
    execFileSync('umount', [root]);
  }
}
