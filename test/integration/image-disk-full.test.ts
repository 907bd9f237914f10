/** A full disk, in every phase of load, pull and unpacking: an error that says so, and the room comes back. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openImageStore } from '../../src/image/store.ts';
import { hostPath } from '../../src/lib/brands.ts';
import { ociArchive, type TestImage } from '../support/image-archives.ts';
import { temporaryDirectory } from '../support/layers.ts';
import { serveImage } from '../support/scripted-registry.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: 'own' });
const KIB = 1024;
const IMAGE: TestImage = {
  name: 'large:1',
  layers: [0, 1].map((layer) => [
    { name: `dir${layer}`, type: '5' },
    ...Array.from({ length: 60 }, (_, i) => ({
      name: `dir${layer}/f${i}`,
      data: Buffer.alloc(8 * KIB, `${layer} ${i} `),
    })),
  ]),
};
const ARCHIVE = ociArchive(IMAGE);

/** Runs `use` with a data root on a small file system of its own. */
async function onSmallDisk(options: string, use: (root: string) => Promise<void>): Promise<void> {
  const root = join(temporaryDirectory(), 'small');
  mkdirSync(root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'small', root]);
  try {
    await use(root);
  } finally {
    execFileSync('umount', [root]);
  }
}

function usedBytes(root: string): number {
  const { blocks, bfree, bsize } = statfsSync(root);
  return (blocks - bfree) * bsize;
}

/** The archive has 1 MiB; the copy of it, the blobs and the files each take as much. */
const FULL = [
  'size=200k',
  'size=1000k',
  'size=1300k',
  'size=2000k',
  'size=2700k',
  'nr_inodes=40',
  'nr_inodes=100',
];

for (const options of FULL) {
  test(`load on a file system of ${options} says that it is full, and takes nothing`, () =>
    onSmallDisk(options, async (root) => {
      const env = { TSRUN_ROOT: root };
      expect((await tsrun.runWith({ env }, 'images', '-q')).stdout).toBe('');
      const { code, stderr } = await tsrun.runWith({ env, stdin: ARCHIVE }, 'load');
      expect(stderr).toMatch(/^tsrun: Cannot .*ENOSPC.*\nhint: .*free space/);
      expect(code).toBe(125);
      const { paths } = openImageStore(hostPath(root));
      const left = [paths.temporary, paths.layers, paths.links, paths.resolved, `${paths.blobs}/sha256`];
      expect(left.flatMap((path) => readdirSync(path))).toEqual([]);
      expect(usedBytes(root)).toBeLessThan(16 * KIB);
      execFileSync('mount', ['-o', 'remount,size=20m,nr_inodes=1000', root]);
      expect((await tsrun.runWith({ env, stdin: ARCHIVE }, 'load')).stdout).toBe('Loaded image: large:1\n');
      expect((await tsrun.runWith({ env }, 'system', 'check')).stdout).toContain('No problems');
    }));
}

test('pull on a full file system says so, and the image that was there stays', () =>
  onSmallDisk('size=1500k', async (root) => {
    const env = { TSRUN_ROOT: root };
    const small = ociArchive({ name: 'small:1', layers: [[{ name: 'f', data: 'f' }]] });
    expect((await tsrun.runWith({ env, stdin: small }, 'load')).code).toBe(0);
    const before = usedBytes(root);
    await using registry = await serveImage(IMAGE);
    const { code, stderr } = await tsrun.runWith({ env }, 'pull', `${registry.host}/large:1`);
    expect(stderr).toMatch(/Cannot .*ENOSPC.*\nhint: .*free space/);
    expect(code).not.toBe(0);
    expect(usedBytes(root)).toBeLessThanOrEqual(before + 8 * KIB);
    expect((await tsrun.runWith({ env }, 'images', '--no-trunc')).stdout).toMatch(/^small /m);
    expect((await tsrun.runWith({ env }, 'system', 'check')).stdout).toContain('No problems');
  }));

test('an image can be removed from a disk on which nothing else has room', () =>
  onSmallDisk('size=4m', async (root) => {
    const env = { TSRUN_ROOT: root };
    expect((await tsrun.runWith({ env, stdin: ARCHIVE }, 'load')).code).toBe(0);
    try {
      writeFileSync(join(root, 'filler'), Buffer.alloc(4 * 1024 * KIB));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
    const { code, stderr } = await tsrun.runWith({ env }, 'rmi', 'large:1');
    expect(`${code} ${stderr}`).toBe('0 ');
  }));
