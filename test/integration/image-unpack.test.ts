/** Layers as the kernel's overlayfs shows them: what unpacking makes of ordinary and of hostile archives. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/image/unpack/apply.ts';
import { unpackLayer } from '../../src/image/unpack/unpack-layer.ts';
import { native } from '../../src/kernel/native.ts';
import { merged, pieces, temporaryDirectory, unpackLayers } from '../support/layers.ts';
import { dir, file, hardlink, type RawEntry, rawTar, symlink, whiteout } from '../support/raw-tar.ts';

/** Every path of the merged view; directories end with a slash. */
async function view(...layers: (readonly RawEntry[])[]): Promise<string[]> {
  const { diffs } = await unpackLayers(layers);
  return merged(diffs, (root) => walk(root, ''));
}

function walk(root: string, below: string): string[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(below, entry.name);
      return entry.isDirectory() ? [`${path}/`, ...walk(root, path)] : [path];
    });
}

function xattr(path: string, name: string): string | undefined {
  const value = Buffer.alloc(256);
  const length = native().tsr_lgetxattr(Buffer.from(`${path}\0`), name, value, value.length);
  return length < 0 ? undefined : value.subarray(0, length).toString('latin1');
}

const refused = (problem: string | RegExp) =>
  expect.objectContaining({ message: expect.stringMatching(problem) });

// --- contents and attributes ---

test('files, directories, links and nodes get the owner, mode, time and content of the archive', async () => {
  const { diffs } = await unpackLayers([
    [
      dir('./', { mode: 0o711, uid: 3 }),
      dir('d', { mode: 0o1777, uid: 1, gid: 2, mtime: 1000 }),
      file('d/f', 'hello', { mode: 0o4755, gid: 7, pax: { uid: '2147483648', mtime: '2000.25' } }),
      symlink('d/s', '/nowhere/at all'),
      { name: 'd/fifo', type: '6', mode: 0o600, uid: 9 },
      { name: 'd/null', type: '3', mode: 0o666, major: 1, minor: 3 },
      { name: 'd/disk', type: '4', mode: 0o660, major: 259, minor: 70000 },
    ],
  ]);
  merged(diffs, (root) => {
    expect(statSync(root)).toMatchObject({ mode: 0o040711, uid: 3 });
    expect(statSync(`${root}/d`)).toMatchObject({ mode: 0o041777, uid: 1, gid: 2, mtimeMs: 1_000_000 });
    expect(statSync(`${root}/d/f`)).toMatchObject({
      mode: 0o104755,
      uid: 2 ** 31,
      gid: 7,
      mtimeMs: 2_000_250,
    });
    expect(readFileSync(`${root}/d/f`, 'utf8')).toBe('hello');
    expect(readlinkSync(`${root}/d/s`)).toBe('/nowhere/at all');
    expect(lstatSync(`${root}/d/fifo`)).toMatchObject({ mode: 0o010600, uid: 9 });
    expect(lstatSync(`${root}/d/null`)).toMatchObject({ mode: 0o020666, rdev: (1 << 8) | 3 });
    expect(execFileSync('stat', ['-c', '%Hr,%Lr', `${root}/d/disk`], { encoding: 'utf8' })).toBe(
      '259,70000\n',
    );
  });
});

test('a file larger than any batch comes out byte for byte', async () => {
  const data = Buffer.alloc(5_000_001, 'abcdefg');
  const { diffs, results } = await unpackLayers([[file('big', data as unknown as string), file('next')]]);
  expect(readFileSync(`${diffs[0]}/big`).equals(data)).toBe(true);
  expect(readFileSync(`${diffs[0]}/next`, 'utf8')).toBe('data');
  expect(results[0]?.sizeBytes).toBe(5_000_005);
});

test('a name of any bytes is kept', async () => {
  const name = Buffer.from([0xff, 0x0a, 0x1b, 0x41]);
  const { diffs } = await unpackLayers([[file(name), file('__proto__')]]);
  const names = readdirSync(diffs[0] as string, { encoding: 'buffer' }).map((n) => n.toString('latin1'));
  expect(names.sort()).toEqual(['__proto__', name.toString('latin1')].sort());
});

test('a umask and a set-group-ID parent change neither mode nor group', async () => {
  const before = process.umask(0o077);
  try {
    const { diffs } = await unpackLayers([
      [dir('d', { mode: 0o2775, gid: 50 }), file('d/f', '', { mode: 0o666 }), dir('d/e')],
    ]);
    expect(statSync(`${diffs[0]}/d/f`)).toMatchObject({ mode: 0o100666, gid: 0 });
    expect(statSync(`${diffs[0]}/d/e`)).toMatchObject({ mode: 0o040755, gid: 0 });
  } finally {
    process.umask(before);
  }
});

test('capabilities and user attributes are kept, overlay marks and SELinux labels are not', async () => {
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
  const { diffs } = await unpackLayers([
    [
      file('f', 'x', {
        uid: 5,
        pax: {
          'SCHILY.xattr.security.capability': capability,
          'SCHILY.xattr.user.note': 'kept',
          'SCHILY.xattr.user.overlay.opaque': 'y',
          'SCHILY.xattr.trusted.overlay.metacopy': '',
          'SCHILY.xattr.security.selinux': 'x',
        },
      }),
      dir('d', { pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y', 'SCHILY.xattr.user.d': '1' } }),
    ],
  ]);
  const f = `${diffs[0]}/f`;
  expect(xattr(f, 'security.capability')).toBe(capability.toString('latin1'));
  expect(xattr(f, 'user.note')).toBe('kept');
  for (const name of ['user.overlay.opaque', 'trusted.overlay.metacopy', 'security.selinux']) {
    expect(xattr(f, name), name).toBeUndefined();
  }
  expect(xattr(`${diffs[0]}/d`, 'trusted.overlay.opaque')).toBeUndefined();
  expect(xattr(`${diffs[0]}/d`, 'user.d')).toBe('1');
});

test('an extended attribute that is too large is an error', async () => {
  const layer = [file('f', 'x', { pax: { 'SCHILY.xattr.user.big': 'x'.repeat(70_000) } })];
  await expect(unpackLayers([layer])).rejects.toEqual(refused('too large'));
});

// --- names ---

test('climbs and absolute names stay in the root', async () => {
  const canary = temporaryDirectory();
  writeFileSync(join(canary, 'victim'), 'untouched');
  expect(
    await view([file('../../../../../../up'), file('/abs'), file(`../..${canary}/victim`, 'evil')]),
  ).toContain('up');
  expect(readFileSync(join(canary, 'victim'), 'utf8')).toBe('untouched');
});

test('a parent that is a symbolic link leads to its target inside the root, of the same layer or a lower one', async () => {
  const canary = temporaryDirectory();
  expect(
    await view(
      [dir('run'), dir('var'), symlink('var/run', '/run')],
      [file('var/run/pid'), symlink('out', canary), file('out/x')],
    ),
  ).toEqual(expect.arrayContaining(['run/pid', 'var/run', `${canary.slice(1)}/x`]));
  expect(readdirSync(canary)).toEqual([]);
});

test('a chain of links that has no end is an error, quickly', async () => {
  await expect(unpackLayers([[symlink('a', 'a'), file('a/x')]])).rejects.toEqual(refused('ELOOP'));
  const chain = Array.from({ length: 45 }, (_, i) => symlink(`l${i}`, `l${i + 1}`));
  await expect(unpackLayers([[...chain, dir('l45'), file('l0/x')]])).rejects.toEqual(refused('ELOOP'));
});

test('a root that is a link or a file is refused', async () => {
  await expect(unpackLayers([[symlink('./', '/tmp')]])).rejects.toEqual(refused('not a directory'));
  await expect(unpackLayers([[file('.')]])).rejects.toEqual(refused('not a directory'));
});

// --- the last entry wins ---

test('of entries with one name the last one wins, whatever their types', async () => {
  const { diffs } = await unpackLayers([
    [
      file('a', 'first'),
      file('a', 'second'),
      dir('b'),
      file('b/in'),
      file('b', 'now a file'),
      file('c'),
      dir('c'),
      symlink('d', '/etc'),
      file('d', 'no link'),
      file('e'),
      symlink('e', 'a'),
      symlink('f', 'elsewhere'),
      dir('f', { mode: 0o700 }),
    ],
  ]);
  const root = diffs[0] as string;
  expect(walk(root, '')).toEqual(['a', 'b', 'c/', 'd', 'e', 'f/']);
  expect(readFileSync(`${root}/a`, 'utf8')).toBe('second');
  expect(readFileSync(`${root}/b`, 'utf8')).toBe('now a file');
  expect(readFileSync(`${root}/d`, 'utf8')).toBe('no link');
  expect(readlinkSync(`${root}/e`)).toBe('a');
  expect(statSync(`${root}/f`).mode).toBe(0o040700);
});

test('a parent that is a file becomes a directory', async () => {
  expect(await view([file('a'), file('a/b/c')])).toEqual(['a/', 'a/b/', 'a/b/c']);
  expect(await view([file('a')], [file('a/b')])).toEqual(['a/', 'a/b']);
});

test('a directory that comes again keeps its entries and takes the new attributes alone', async () => {
  const { diffs } = await unpackLayers([
    [dir('d', { pax: { 'SCHILY.xattr.user.old': '1' } }), file('d/f'), dir('d', { mode: 0o700, mtime: 5 })],
  ]);
  expect(walk(diffs[0] as string, '')).toEqual(['d/', 'd/f']);
  expect(statSync(`${diffs[0]}/d`)).toMatchObject({ mode: 0o040700, mtimeMs: 5000 });
  expect(xattr(`${diffs[0]}/d`, 'user.old')).toBeUndefined();
});

// --- layers on layers ---

test('a directory that only a lower layer has keeps its attributes when a file is added to it', async () => {
  const { diffs } = await unpackLayers([
    [
      dir('./', { mode: 0o750, gid: 4 }),
      dir('t', { mode: 0o1777, uid: 8, mtime: 77, pax: { 'SCHILY.xattr.user.k': 'v' } }),
    ],
    [file('t/x')],
  ]);
  merged(diffs, (root) => {
    expect(statSync(`${root}/t`)).toMatchObject({ mode: 0o041777, uid: 8, mtimeMs: 77_000 });
    expect(xattr(`${root}/t`, 'user.k')).toBe('v');
    expect(statSync(root)).toMatchObject({ mode: 0o040750, gid: 4 });
  });
});

test('a whiteout takes a file or a tree of a lower layer away', async () => {
  expect(
    await view([file('a'), dir('d'), file('d/x'), file('keep')], [whiteout('.wh.a'), whiteout('.wh.d')]),
  ).toEqual(['keep']);
});

test('a whiteout and a file of one layer: the file stays, in either order', async () => {
  const lower = [file('a', 'old')];
  for (const layer of [
    [whiteout('.wh.a'), file('a', 'new')],
    [file('a', 'new'), whiteout('.wh.a')],
  ]) {
    const { diffs } = await unpackLayers([lower, layer]);
    expect(merged(diffs, (root) => readFileSync(`${root}/a`, 'utf8'))).toBe('new');
  }
});

test('a directory that is whited out and made again shows nothing of the lower one, in either order', async () => {
  const lower = [dir('d'), file('d/old'), dir('d/sub'), file('d/sub/old')];
  const made = [dir('d'), file('d/new'), dir('d/sub')];
  expect(await view(lower, [whiteout('.wh.d'), ...made])).toEqual(['d/', 'd/new', 'd/sub/']);
  expect(await view(lower, [...made, whiteout('.wh.d')])).toEqual(['d/', 'd/new', 'd/sub/']);
});

test('an opaque directory shows only what its layer has, wherever the mark stands', async () => {
  const lower = [dir('d'), file('d/old')];
  expect(await view(lower, [dir('d'), whiteout('d/.wh..wh..opq'), file('d/new')])).toEqual(['d/', 'd/new']);
  expect(await view(lower, [dir('d'), file('d/new'), whiteout('d/.wh..wh..opq')])).toEqual(['d/', 'd/new']);
  expect(await view(lower, [whiteout('d/.wh..wh..opq')])).toEqual(['d/']);
});

test('an opaque root shows only what its layer has', async () => {
  const lower = [file('a'), dir('d'), file('d/old'), dir('e')];
  expect(await view(lower, [whiteout('.wh..wh..opq'), dir('d'), file('d/new')])).toEqual(['d/', 'd/new']);
});

test('a whiteout inside an opaque or new directory leaves no ghost', async () => {
  const upper = [
    dir('d'),
    whiteout('d/.wh..wh..opq'),
    whiteout('d/.wh.x'),
    dir('n'),
    whiteout('n/.wh.x'),
    whiteout('.wh.no'),
  ];
  const { diffs } = await unpackLayers([[dir('d'), file('d/x')], upper]);
  expect(merged(diffs, (root) => walk(root, ''))).toEqual(['d/', 'n/']);
  expect(walk(diffs[1] as string, '')).toEqual(['d/', 'n/']);
});

test('a whiteout reaches through a link of a lower layer', async () => {
  expect(
    await view(
      [dir('usr'), dir('usr/lib'), file('usr/lib/x'), symlink('lib', 'usr/lib')],
      [whiteout('lib/.wh.x')],
    ),
  ).toEqual(['lib', 'usr/', 'usr/lib/']);
});

test('what aufs left behind does not appear', async () => {
  expect(
    await view([dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('a')]),
  ).toEqual(['a']);
});

test('a device 0:0 of a layer never hides anything', async () => {
  const layer = [{ name: 'a', type: '3', major: 0, minor: 0 }];
  await expect(unpackLayers([[file('a')], layer])).rejects.toEqual(refused('0:0'));
});

test('whiteouts of several layers add up', async () => {
  const layers = [
    [dir('d'), file('d/a'), file('d/b')],
    [whiteout('d/.wh.a')],
    [file('d/a', 'again')],
    [whiteout('.wh.d')],
    [dir('d')],
  ];
  expect(await view(...layers.slice(0, 2))).toEqual(['d/', 'd/b']);
  expect(await view(...layers.slice(0, 3))).toEqual(['d/', 'd/a', 'd/b']);
  expect(await view(...layers)).toEqual(['d/']);
});

// --- hard links ---

test('a hard link in a layer is a second name of the same file, by an absolute target too', async () => {
  const { diffs } = await unpackLayers([
    [dir('d'), file('d/a'), hardlink('b', 'd/a'), hardlink('c', '/d/a')],
  ]);
  const inode = statSync(`${diffs[0]}/d/a`);
  expect(inode.nlink).toBe(3);
  for (const name of ['b', 'c']) expect(statSync(`${diffs[0]}/${name}`).ino).toBe(inode.ino);
});

test('a hard link to a file of a lower layer brings that file up with all it has', async () => {
  const target = file('usr/a', 'lower', {
    mode: 0o4711,
    uid: 6,
    mtime: 99,
    pax: { 'SCHILY.xattr.user.k': 'v' },
  });
  const { diffs } = await unpackLayers([
    [dir('usr'), target, symlink('link', 'usr')],
    [hardlink('b', 'link/a')],
  ]);
  merged(diffs, (root) => {
    expect(statSync(`${root}/b`)).toMatchObject({ mode: 0o104711, uid: 6, mtimeMs: 99_000, nlink: 2 });
    expect(statSync(`${root}/usr/a`).ino).toBe(statSync(`${root}/b`).ino);
    expect(readFileSync(`${root}/b`, 'utf8')).toBe('lower');
    expect(xattr(`${root}/b`, 'user.k')).toBe('v');
  });
});

test('a hard link to a symbolic link names the link and leaves its target alone', async () => {
  const { diffs } = await unpackLayers([
    [file('f'), symlink('s', 'f'), hardlink('h', 's')],
    [hardlink('h2', 's')],
  ]);
  expect(readlinkSync(`${diffs[0]}/h`)).toBe('f');
  expect(readlinkSync(`${diffs[1]}/h2`)).toBe('f');
  expect(statSync(`${diffs[0]}/f`).nlink).toBe(1);
});

test('a hard link to nothing, outside, a directory, itself or a later entry is an error', async () => {
  const canary = temporaryDirectory();
  writeFileSync(join(canary, 'victim'), 'x');
  const bad: Readonly<Record<string, RawEntry[]>> = {
    missing: [hardlink('a', 'nothing')],
    outside: [hardlink('a', `../../..${canary}/victim`)],
    through: [symlink('l', canary), hardlink('a', 'l/victim')],
    directory: [dir('d'), hardlink('a', 'd')],
    itself: [hardlink('a', 'a')],
    'itself, with a file there': [file('a'), hardlink('a', 'a')],
    later: [hardlink('a', 'b'), file('b')],
    'inside what it replaces': [dir('d'), file('d/f'), hardlink('d', 'd/f')],
  };
  for (const [what, entries] of Object.entries(bad)) {
    await expect(unpackLayers([entries]), what).rejects.toEqual(refused('hard link'));
  }
  expect(statSync(join(canary, 'victim')).nlink).toBe(1);
});

test('a hard link to a file that the layer whites out is an error, in either order', async () => {
  const lower = [dir('d'), file('d/a')];
  for (const mark of ['d/.wh.a', '.wh.d', 'd/.wh..wh..opq']) {
    for (const layer of [
      [whiteout(mark), hardlink('b', 'd/a')],
      [hardlink('b', 'd/a'), whiteout(mark)],
    ]) {
      await expect(unpackLayers([lower, layer]), mark).rejects.toEqual(refused('hard link'));
    }
  }
});

// --- limits and failures ---

test('a layer above the limits is refused before it is written', async () => {
  const limits = { maxBytes: 1000, maxEntries: 3 };
  await expect(unpackLayers([[file('a', '', { size: 2 ** 33 - 1 })]], limits)).rejects.toEqual(
    refused('more than 1000 bytes'),
  );
  await expect(unpackLayers([['a', 'b', 'c', 'd'].map((n) => file(n))], limits)).rejects.toEqual(
    refused('more than 3 entries'),
  );
});

test('an archive that ends too early is an error', async () => {
  const tar = rawTar([file('a', 'x'.repeat(5000))]);
  await expect(unpackLayers([tar.subarray(0, 3000)])).rejects.toEqual(refused('cut off'));
});

test('a disk that is full is an error that names the file, and the writer thread ends', async () => {
  const disk = temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  try {
    const tar = pieces(
      rawTar([file('ok'), file('dir/big', 'x'.repeat(3_000_000)), file('more', 'y'.repeat(20_000_000))]),
    );
    const request = { tar, into: disk, lower: [], limits: DEFAULT_LIMITS, sync: false };
    await expect(unpackLayer(request)).rejects.toMatchObject({
      code: 'IMAGE_NO_SPACE',
      message: expect.stringMatching(/"dir\/big".*write gave ENOSPC/),
    });
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('a gzip bomb costs disk and time, and no memory', () => {
  const into = temporaryDirectory();
  const source = (name: string) => JSON.stringify(new URL(`../../${name}`, import.meta.url).pathname);
  const script = `import { createGzip } from 'node:zlib';
    import { Readable } from 'node:stream';
    import { rawEntry } from ${source('test/support/raw-tar.ts')};
    import { decompress } from ${source('src/image/decompress.ts')};
    import { unpackLayer } from ${source('src/image/unpack/unpack-layer.ts')};
    const zeros = Buffer.alloc(1 << 20);
    function* bomb() {
      yield rawEntry({ name: 'bomb', size: 400 << 20 });
      for (let i = 0; i < 400; i++) yield zeros;
      yield Buffer.alloc(1024);
    }
    const packed = await Readable.from(bomb()).pipe(createGzip()).toArray();
    const before = process.resourceUsage().maxRSS;
    const tar = decompress(Readable.from(packed));
    const limits = { maxBytes: 2 ** 40, maxEntries: 10 };
    await unpackLayer({ tar, into: ${JSON.stringify(into)}, lower: [], limits, sync: false });
    console.log((process.resourceUsage().maxRSS - before) >> 10);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const grownMiB = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  expect(statSync(join(into, 'bomb')).size).toBe(400 << 20);
  expect(grownMiB).toBeLessThan(100);
});

test('a tree deeper than the limit of open files is removed, and links in it are not followed', async () => {
  const victim = temporaryDirectory();
  writeFileSync(join(victim, 'keep'), 'x');
  const root = temporaryDirectory();
  let at = root as string;
  mkdirSync(join(root, 'top'));
  at = join(root, 'top');
  for (let i = 0; i < 300; i++) {
    at = join(at, 'd');
    mkdirSync(at);
    symlinkSync(victim, join(at, 'link'));
  }
  chmodSync(at, 0);
  expect(native().tsr_remove_tree(join(root, 'top'))).toBe(0);
  expect(readdirSync(root)).toEqual([]);
  expect(readdirSync(victim)).toEqual(['keep']);
});
