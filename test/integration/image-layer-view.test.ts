/** Reading a file from unmounted layers gives what overlayfs would give, and nothing in a layer leads out of them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readFileFromLayers } from '../../src/image/layer-view.ts';
import type { ContainerPath, HostPath } from '../../src/lib/brands.ts';
import { merged, temporaryDirectory, unpackLayers } from '../support/layers.ts';
import type { RawEntry } from '../support/raw-tar.ts';

const dir = (name: string): RawEntry => ({ name, type: '5' });
const file = (name: string, data: string): RawEntry => ({ name, data });
const symlink = (name: string, link: string): RawEntry => ({ name, type: '2', link });

const read = (diffs: readonly HostPath[], path: string) =>
  readFileFromLayers(diffs.toReversed(), path as ContainerPath)?.toString();

test('each path reads as it does through a mount of the same layers', async () => {
  const { diffs } = await unpackLayers([
    [
      dir('etc'),
      file('etc/passwd', 'low'),
      file('etc/group', 'low'),
      file('etc/gone', 'x'),
      { name: 'busybox', mode: 0o755, data: readFileSync('/bin/busybox') },
      dir('d'),
      file('d/x', 'low'),
      dir('w'),
      file('w/x', 'low'),
    ],
    [
      dir('etc'),
      file('etc/passwd', 'mid'),
      { name: 'etc/.wh.gone' },
      dir('d'),
      { name: 'd/.wh..wh..opq' },
      { name: '.wh.w' },
      dir('usr'),
      file('usr/f', 'deep'),
    ],
    [
      symlink('abs', '/etc/passwd'),
      symlink('rel', 'etc/../usr/f'),
      symlink('up', '../../../etc/group'),
      symlink('dirlink', 'usr'),
      dir('w'),
      file('f', 'a file'),
    ],
  ]);
  const paths = [
    '/etc/passwd',
    '/etc/group',
    '/etc/gone',
    '/d/x',
    '/w/x',
    '/usr/f',
    '/abs',
    '/rel',
    '/up',
    '/dirlink/f',
    '/f/x',
    '/none',
    '//etc/./passwd',
  ];
  merged(diffs, (root) => {
    for (const path of paths) {
      // A link with an absolute target leaves the mount on the host, so the mount is asked from inside.
      const { status, stdout } = inside(root, path);
      expect(read(diffs, path), path).toBe(status === 0 ? stdout : undefined);
    }
  });
});

function inside(root: string, path: string): { status: number | null; stdout: string } {
  return spawnSync('chroot', [root, '/busybox', 'cat', path], { encoding: 'utf8' });
}

test('links never lead to the host, whatever their targets', () => {
  const outer = temporaryDirectory();
  const layer = join(outer, 'layer') as HostPath;
  mkdirSync(join(layer, 'etc'), { recursive: true });
  writeFileSync(join(outer, 'secret'), 'host');
  symlinkSync(join(outer, 'secret'), join(layer, 'etc/passwd'));
  symlinkSync('../../secret', join(layer, 'etc/group'));
  symlinkSync(outer, join(layer, 'out'));
  for (const path of ['/etc/passwd', '/etc/group', '/out/secret', '/../secret', '/etc/../../secret']) {
    expect(read([layer], path), path).toBeUndefined();
  }
});

test('a loop of links, a FIFO, a device, a directory and a huge file are errors, at once', () => {
  const layer = temporaryDirectory();
  symlinkSync('loop', join(layer, 'loop'));
  execFileSync('mkfifo', [join(layer, 'fifo')]);
  execFileSync('mknod', [join(layer, 'zero'), 'c', '1', '5']);
  mkdirSync(join(layer, 'directory'));
  writeFileSync(join(layer, 'huge'), '');
  truncateSync(join(layer, 'huge'), 2 ** 31);
  const problems = {
    loop: 'ELOOP',
    fifo: 'not a regular file',
    zero: 'not a regular file',
    directory: 'is a directory',
    huge: '10 MiB',
  };
  for (const [name, problem] of Object.entries(problems))
    expect(() => read([layer], `/${name}`), name).toThrow(problem);
  writeFileSync(join(layer, 'fits'), Buffer.alloc(10 * 1024 * 1024));
  expect(readFileFromLayers([layer], '/fits' as ContainerPath)?.length).toBe(
    readFileSync(join(layer, 'fits')).length,
  );
});
