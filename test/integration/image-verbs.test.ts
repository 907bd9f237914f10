/** `image history`, `save`, `prune`, `tree`, `diff` and `system df`, on images made byte by byte. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ImageStore, openImageStore } from '../../src/image/store.ts';
import { type HostPath, hostPath } from '../../src/lib/brands.ts';
import { ociArchive, type TestImage } from '../support/image-archives.ts';
import { pieces, temporaryDirectory } from '../support/layers.ts';
import type { RawEntry } from '../support/raw-tar.ts';
import { imageArchive, openTerminal, useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: 'own' });
const dir = (name: string): RawEntry => ({ name, type: '5' });
const file = (name: string, bytes: number): RawEntry => ({ name, data: 'x'.repeat(bytes) });

const BASE: RawEntry[] = [
  dir('etc'),
  file('etc/conf', 100),
  file('etc/old', 2000),
  dir('data'),
  file('data/a', 10_000),
  file('data/b', 5000),
];
const TOP: RawEntry[] = [
  { ...file('etc/conf', 300), mode: 0o600 },
  { name: 'etc/.wh.old', data: '' },
  { name: 'data/.wh..wh..opq', data: '' },
  file('data/b', 7000),
  file('new\x1b[31m', 50),
];

async function loaded(...images: TestImage[]): Promise<{ store: ImageStore; root: HostPath }> {
  const root = hostPath(join(temporaryDirectory(), 'data'));
  const store = openImageStore(root);
  for (const image of images) await store.load({ stream: pieces(ociArchive(image)) });
  return { store, root };
}

async function ok(root: HostPath, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tsrun.runWith({ env: { TSRUN_ROOT: root } }, ...args);
  expect(`${code} ${stderr}`).toBe('0 ');
  return stdout;
}

describe('tsrun image tree', () => {
  test('shows what each layer adds, changes, removes and wastes', async () => {
    const { root } = await loaded({ name: 'app:1', layers: [BASE, TOP] });
    const text = await ok(root, 'image', 'tree', 'app:1');
    expect(text.split('\n').slice(1)).toEqual([
      '2 layers, 24.4kB; 17.1kB wasted, 30% useful',
      '',
      expect.stringMatching(/^Layer 1 {2}sha256:[0-9a-f]{12} {2}17\.1kB$/),
      '6 added, 0 changed, 0 removed',
      '├── + data/  15kB',
      '│   ├── + a  10kB',
      '│   └── + b  5kB',
      '└── + etc/  2.1kB',
      '    ├── + old  2kB',
      '    └── + conf  100B',
      '',
      expect.stringMatching(/^Layer 2 {2}sha256:[0-9a-f]{12} {2}7\.35kB$/),
      '1 added, 2 changed, 2 removed; hides 17.1kB of the layers below',
      '├── ~ data/  7kB, hides 15kB',
      '│   ├── ~ b  7kB, hides 5kB',
      '│   └── - a  hides 10kB',
      '├── ~ etc/  300B, hides 2.1kB',
      '│   ├── - old  hides 2kB',
      '│   └── ~ conf  300B, hides 100B',
      '└── + new\\x1b[31m  50B',
      '',
      'Wasted',
      '    10kB  in 2 layers  /data/a',
      '     5kB  in 2 layers  /data/b',
      '     2kB  in 2 layers  /etc/old',
      '    100B  in 2 layers  /etc/conf',
      '',
    ]);
    const flat = await ok(root, 'image', 'tree', '--depth', '1', 'app:1');
    expect(flat).toContain('├── ~ data/  7kB, 2 entries, hides 15kB\n');
    expect(JSON.parse(await ok(root, 'image', 'tree', '--format', 'json', 'app:1'))).toMatchObject({
      SizeBytes: 24_450,
      WastedBytes: 17_100,
      Layers: [{ HiddenBytes: 0 }, { HiddenBytes: 17_100 }],
    });
  });

  test('what is left is what a container sees', async () => {
    const { store } = await loaded({ name: 'app:1', layers: [BASE, TOP] });
    const tree = await store.tree('app:1');
    expect(tree.sizeBytes - tree.wastedBytes).toBe(300 + 7000 + 50);
  });

  test('on a terminal it has colours, and none with NO_COLOR', async () => {
    const { root } = await loaded({ name: 'app:1', layers: [BASE, TOP] });
    const size = { rows: 24, columns: 80 };
    const command = ['env', `TSRUN_ROOT=${root}`];
    const shown = async (...env: string[]) => {
      const words = [...command, ...env, PROGRAM, 'image', 'tree', 'app:1'];
      return (await openTerminal(size, words, { ...process.env, ...tsrun.env }).finished).stdout;
    };
    expect(await shown()).toContain('\x1b[31m- old\x1b[0m');
    expect(await shown('NO_COLOR=1')).not.toContain('\x1b[');
  });
});

describe('tsrun image diff', () => {
  const other: TestImage = {
    name: 'other:1',
    layers: [
      BASE,
      [
        { ...file('etc/conf', 100), mtime: 1 },
        { name: 'data/a', type: '2', link: '/etc' },
      ],
    ],
    config: { Cmd: ['a'] },
  };

  test('shows what a container would see differently, and no times', async () => {
    const { root } = await loaded({ name: 'app:1', layers: [BASE, TOP], config: { Env: ['A=1'] } }, other);
    const text = await ok(root, 'image', 'diff', 'other:1', 'app:1');
    expect(text.split('\n')).toEqual([
      'config Cmd: ["a"] -> not set',
      'config Env: not set -> ["A=1"]',
      'D /data/a  0B',
      'C /data/b  (content) 5kB -> 7kB',
      'C /etc/conf  (mode, content) 100B -> 300B',
      'D /etc/old  2kB',
      'A /new\\x1b[31m  50B',
      '1 added, 2 changed, 2 removed, +250B',
      '',
    ]);
    const json = JSON.parse(await ok(root, 'image', 'diff', '--format', 'json', 'app:1', 'other:1'));
    expect(json.Paths[0]).toMatchObject({ Path: '/data/a', Kind: 'added' });
  });

  test('of an image and itself, or its copy with other times, is nothing', async () => {
    const touched = BASE.map((entry) => ({ ...entry, mtime: 5 }));
    const { root } = await loaded({ name: 'app:1', layers: [BASE] }, { name: 'copy:1', layers: [touched] });
    expect(await ok(root, 'image', 'diff', 'app:1', 'app:1')).toBe('0 added, 0 changed, 0 removed, +0B\n');
    expect(await ok(root, 'image', 'diff', 'app:1', 'copy:1')).toBe('0 added, 0 changed, 0 removed, +0B\n');
  });

  test('says what of a file is different', async () => {
    const entries: RawEntry[] = [
      file('content', 10),
      file('owner', 10),
      file('attribute', 10),
      dir('dir'),
      { name: 'node', type: '3', major: 1, minor: 3 },
      { name: 'link', type: '2', link: 'a' },
    ];
    const changes: RawEntry[] = [
      { name: 'content', data: 'y'.repeat(10) },
      { ...file('owner', 10), uid: 5 },
      { ...file('attribute', 10), pax: { 'SCHILY.xattr.user.a': 'b' } },
      { ...dir('dir'), mode: 0o700 },
      { name: 'node', type: '3', major: 1, minor: 5 },
      { name: 'link', type: '2', link: 'b' },
    ];
    const { store } = await loaded({ name: 'a:1', layers: [entries] }, { name: 'b:1', layers: [changes] });
    const { paths } = await store.diff('a:1', 'b:1');
    expect(paths.map(({ path, what }) => `${path}: ${what}`)).toEqual([
      'attribute: attributes',
      'content: content',
      'dir: mode',
      'link: target',
      'node: device',
      'owner: owner',
    ]);
  });
});

describe('tsrun save', () => {
  test('writes what skopeo, umoci and tsrun read, with the same digests', async () => {
    const { store, root } = await loaded(
      { name: 'app:1', layers: [BASE, TOP] },
      { name: 'app:2', layers: [BASE] },
    );
    const archive = join(temporaryDirectory(), 'images.tar');
    await ok(root, 'save', '-o', archive, 'app:1', 'app:2');
    const before = await store.list();
    const again = openImageStore(hostPath(join(temporaryDirectory(), 'data')));
    await again.load({ path: hostPath(archive) });
    const digests = (images: typeof before) => images.map(({ tag, manifestDigest }) => [tag, manifestDigest]);
    expect(digests(await again.list())).toEqual(digests(before));
    const skopeo = (source: string) =>
      JSON.parse(execFileSync('skopeo', ['inspect', '--config', source], { encoding: 'utf8' }));
    expect(skopeo(`docker-archive:${archive}:app:1`).rootfs.diff_ids).toHaveLength(2);
    const directory = temporaryDirectory();
    execFileSync('tar', ['-xf', archive, '-C', directory]);
    expect(execFileSync('umoci', ['ls', '--layout', directory], { encoding: 'utf8' })).toBe('1\n2\n');
  });

  test('to a pipe is the same archive; to a file it is whole or not there', async () => {
    const { root } = await loaded({ name: 'app:1', layers: [BASE] });
    const archive = join(temporaryDirectory(), 'image.tar');
    await ok(root, 'save', '--output', archive, 'app:1');
    const shell = `"$1" save app:1 | cmp - "$2" && "$1" image save app:1 | "$1" load`;
    const env = { ...process.env, ...tsrun.env, TSRUN_ROOT: root };
    execFileSync('bash', ['-o', 'pipefail', '-c', shell, 'sh', PROGRAM, archive], { env });
    const missing = `${archive}.none`;
    const { code, stderr } = await tsrun.runWith({ env }, 'save', '-o', missing, 'app:1', 'nothing:1');
    expect(`${code} ${stderr}`).toContain('125 tsrun: No such image: nothing:1');
    expect(existsSync(missing)).toBe(false);
  });
});

test('tsrun image history shows the steps, newest first, with the size of their layers', async () => {
  const history = [
    { created: '2020-01-01T00:00:00Z', created_by: 'ADD \x1b base', comment: 'first' },
    { created: '2020-01-02T00:00:00Z', created_by: `ENV ${'A'.repeat(60)}`, empty_layer: true },
    { created: '2020-01-03T00:00:00Z', created_by: 'RUN  more' },
  ];
  const { root } = await loaded({ name: 'app:1', layers: [BASE, TOP], history });
  const text = await ok(
    root,
    'image',
    'history',
    '--format',
    '{{.CreatedBy}}|{{.Size}}|{{.Comment}}',
    'app:1',
  );
  expect(text.split('\n')).toEqual([
    'RUN more|7.35kB|',
    `ENV ${'A'.repeat(40)}…|0B|`,
    'ADD \\x1b base|17.1kB|first',
    '',
  ]);
  const table = await ok(root, 'history', 'app:1');
  expect(table).toMatch(
    /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n[0-9a-f]{12} .*\n<missing> .*\n<missing> /,
  );
  expect(await ok(root, 'history', '-q', '--no-trunc', 'app:1')).toMatch(
    /^sha256:[0-9a-f]{64}\n<missing>\n<missing>\n$/,
  );
});

describe('tsrun image prune', () => {
  test('takes images without a name, and what only they had', async () => {
    const { store, root } = await loaded({ name: 'app:1', layers: [BASE, TOP] });
    await store.load({ stream: pieces(ociArchive({ name: 'app:1', layers: [BASE] })) });
    const [nameless] = (await store.list()).filter(({ tag }) => tag === undefined);
    const text = await ok(root, 'image', 'prune', '-f');
    expect(text).toMatch(
      new RegExp(`^Deleted Images:\ndeleted: ${nameless?.id}\n\nTotal reclaimed space: [0-9.]+kB\n$`),
    );
    expect((await store.list()).map(({ tag }) => tag)).toEqual(['1']);
    expect(await ok(root, 'image', 'prune', '-f')).toBe('Total reclaimed space: 0B\n');
    expect((await store.check({ repair: false, uses: () => [], pull: async () => {} })).problems).toEqual([]);
  });

  test('with -a takes every image that no container uses, and that the filters name', async () => {
    const created = '2020-05-05T00:00:00Z';
    const old: TestImage = { name: 'old:1', layers: [BASE], created };
    const { store, root } = await loaded(
      old,
      { name: 'kept:1', layers: [TOP], config: { Labels: { keep: 'yes' } }, created },
      { name: 'used:1', layers: [BASE, TOP], created },
    );
    const used = (await store.list()).find(({ repository }) => repository === 'used');
    const names = async () => (await store.list()).map(({ repository }) => repository).toSorted();
    await ok(root, 'image', 'prune', '-af', '--filter', 'until=2019-01-01');
    expect(await names()).toEqual(['kept', 'old', 'used']);
    const pruned = await store.prune({
      all: true,
      matches: ({ config }) => config.Labels?.keep !== 'yes',
      uses: () => [{ imageId: used?.id as never, containerId: 'c', running: false, layers: [] }],
    });
    expect(pruned.untagged).toEqual(['old:1']);
    expect(await names()).toEqual(['kept', 'used']);
    await ok(root, 'image', 'prune', '-af', '--filter', 'label!=keep', '--filter', 'until=24h');
    expect(await names()).toEqual(['kept']);
  });

  test('asks first, and refuses filters and times it does not know', async () => {
    const { root } = await loaded({ name: 'app:1', layers: [BASE] });
    const run = (stdin: string, ...args: string[]) =>
      tsrun.runWith({ stdin, env: { TSRUN_ROOT: root } }, 'image', 'prune', '-a', ...args);
    expect((await run('n\n')).code).toBe(0);
    expect(await ok(root, 'images', '-q')).not.toBe('');
    expect((await run('', '-f', '--filter', 'until=later')).stderr).toContain(
      'neither a time nor a duration',
    );
    expect((await run('', '--filter', 'color=red')).code).toBe(125);
    expect((await run('y\n')).stdout).toContain('untagged: app:1');
    expect(await ok(root, 'images', '-q')).toBe('');
  });
});

describe('tsrun system df', () => {
  beforeAll(async () => {
    await tsrun.ok('load', '-i', await imageArchive('busybox'));
  });

  test('counts what images share once', async () => {
    const { store, root } = await loaded(
      { name: 'app:1', layers: [BASE, TOP] },
      { name: 'app:2', layers: [BASE] },
    );
    const { images, sizeBytes, reclaimableBytes } = await store.measure([]);
    const [one, two] = ['app:1', 'app:2'].map((name) => images.find(({ names }) => names.includes(name)));
    expect(one?.sharedBytes).toBe(two?.sharedBytes);
    expect(one?.sharedBytes).toBeGreaterThan(17_100);
    const own = (image: typeof one) => (image?.sizeBytes ?? 0) - (image?.sharedBytes ?? 0);
    expect(sizeBytes).toBe(own(one) + own(two) + (one?.sharedBytes ?? 0));
    expect(reclaimableBytes).toBe(sizeBytes);
    const used = await store.measure([
      { imageId: one?.id as never, containerId: 'c', running: true, layers: [] },
    ]);
    expect(used.reclaimableBytes).toBe(own(two));
    const table = await ok(root, 'system', 'df');
    expect(table).toMatch(
      /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages +2 +0 +\S+ +\S+ \(100%\)\nContainers +0 /,
    );
    const rows = (await ok(root, 'system', 'df', '-v')).split('\n');
    expect(rows[2]).toMatch(
      /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE +SHARED SIZE +UNIQUE SIZE +CONTAINERS$/,
    );
    expect(rows.slice(3, 5).map((row) => row.split(/ +/).slice(0, 2).join(':'))).toEqual(['app:1', 'app:2']);
  });

  test('counts what a container wrote, each file once', async () => {
    const script = 'head -c 100000 /dev/zero >/a; ln /a /b; mkdir -p /d/e; echo hi >/d/e/f';
    await tsrun.ok('run', '--name', 'writer', '--network', 'none', 'busybox', 'sh', '-c', script);
    const json = (await tsrun.ok('system', 'df', '--format', 'json'))
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(json[0]).toMatchObject({ Type: 'Images', TotalCount: '1', Active: '1', Reclaimable: '0B (0%)' });
    expect(json[1]).toMatchObject({ Type: 'Containers', TotalCount: '1', Active: '0', Size: '100kB' });
    expect(await tsrun.ok('system', 'df', '-v')).toMatch(/ 100kB +.* Exited \(0\) .* writer\n/);
    await tsrun.ok('rm', 'writer');
  });
});
