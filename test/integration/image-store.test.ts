/** The image store against the tools it must get on with, against crashes, and against itself. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { ImageUse } from '../../src/image/remove.ts';
import { type ImageStore, openImageStore } from '../../src/image/store.ts';
import type { HostPath } from '../../src/lib/brands.ts';
import { ociFiles, sha256 } from '../support/image-archives.ts';
import { pieces, temporaryDirectory } from '../support/layers.ts';
import { type RawEntry, rawTar } from '../support/raw-tar.ts';

const dir = (name: string): RawEntry => ({ name, type: '5' });
const file = (name: string, data = 'data'): RawEntry => ({ name, data });
const UNUSED = { uses: (): ImageUse[] => [] };
const ROOTFS = rawTar([
  dir('bin'),
  file('bin/sh', 'shell'),
  dir('etc'),
  file('etc/passwd', 'root:x:0:0::/root:/bin/sh\n'),
]);

function newStore(): { root: HostPath; store: ImageStore } {
  const root = temporaryDirectory();
  return { root, store: openImageStore(join(root, 'data') as HostPath) };
}

const stream = (bytes: Buffer) => ({ stream: pieces(bytes) });
const path = (...parts: string[]) => join(...parts) as HostPath;

/** An OCI layout with one image of two layers, made by umoci. */
function umociLayout(directory: string): string {
  const layout = join(directory, 'umoci');
  const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  umoci('init', '--layout', layout);
  umoci('new', '--image', `${layout}:base`);
  for (const name of ['one', 'two']) {
    const bundle = join(directory, `bundle-${name}`);
    umoci('unpack', '--image', `${layout}:base`, bundle);
    mkdirSync(join(bundle, 'rootfs/dir'), { recursive: true });
    writeFileSync(join(bundle, 'rootfs/dir', name), name);
    umoci('repack', '--image', `${layout}:base`, bundle);
    rmSync(bundle, { recursive: true });
  }
  umoci('config', '--image', `${layout}:base`, '--config.cmd', 'sh', '--config.env', 'A=1');
  return layout;
}

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: process.env.TMPDIR },
  });
}

test('an imported root file system is an image with the changes that were asked for', async () => {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), {
    name: 'busybox',
    changes: ['CMD ["sh"]', 'ENV A=1', 'WORKDIR /srv'],
    message: 'from a test',
    created: new Date(1_700_000_000_000),
  });
  const image = await store.resolve('busybox');
  expect(image).toMatchObject({ id, config: { config: { Cmd: ['sh'], Env: ['A=1'], WorkingDir: '/srv' } } });
  expect(readFileSync(`${image.layers[0]?.diffPath}/bin/sh`, 'utf8')).toBe('shell');
  expect(await store.list()).toEqual([
    {
      repository: 'busybox',
      tag: 'latest',
      id,
      manifestDigest: image.manifestDigest,
      damaged: false,
      created: '2023-11-14T22:13:20.000Z',
      sizeBytes: 5 + 26,
    },
  ]);
  expect(await store.inspect(id.slice(7, 19))).toMatchObject({
    Id: id,
    RepoTags: ['busybox:latest'],
    Comment: 'from a test',
  });
});

test('the same bytes give the same layer, however they are compressed', async () => {
  const { store } = newStore();
  const created = new Date(0);
  for (const [name, bytes] of Object.entries({
    plain: ROOTFS,
    gzip: gzipSync(ROOTFS),
    zstd: zstdCompressSync(ROOTFS),
  })) {
    await store.import(stream(bytes), { name, created });
  }
  const half = ROOTFS.length / 2;
  const members = Buffer.concat([gzipSync(ROOTFS.subarray(0, half)), gzipSync(ROOTFS.subarray(half))]);
  await store.import(stream(members), { name: 'members', created });
  const frames = Buffer.concat([
    zstdCompressSync(ROOTFS.subarray(0, half)),
    zstdCompressSync(ROOTFS.subarray(half)),
  ]);
  await store.import(stream(frames), { name: 'frames', created });
  expect(new Set((await store.list()).map((image) => image.id)).size).toBe(1);
  expect(readdirSync(store.paths.layers)).toHaveLength(1);
});

test('every form that skopeo and umoci write is loaded as the same image', async () => {
  const { root, store } = newStore();
  const layout = umociLayout(root);
  const docker = path(root, 'docker.tar');
  const oci = path(root, 'oci.tar');
  skopeo('copy', '-q', `oci:${layout}:base`, `docker-archive:${docker}:demo:1`);
  skopeo('copy', '-q', `oci:${layout}:base`, `oci-archive:${oci}:demo:2`);
  const [fromDocker] = await store.load({ path: docker });
  const inputs = [
    { path: oci },
    { path: layout as HostPath },
    stream(readFileSync(oci)),
    stream(gzipSync(readFileSync(docker))),
    stream(zstdCompressSync(readFileSync(oci))),
  ];
  for (const input of inputs) expect((await store.load(input))[0]?.id).toBe(fromDocker?.id);
  const image = await store.resolve('demo:1');
  expect(image.layers).toHaveLength(2);
  expect(image.config.config).toMatchObject({ Cmd: ['sh'], Env: ['A=1'] });
  expect(await store.inspect('demo:2')).toMatchObject({
    RepoTags: expect.arrayContaining(['demo:1', 'demo:2']),
  });
  expect(readdirSync(store.paths.temporary)).toEqual([]);
});

test('old Docker archives, whose layers are links, are loaded', async () => {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'x', changes: ['CMD a'] });
  const config = readFileSync(store.paths.blob(id));
  const manifest = JSON.stringify([
    { Config: `${id.slice(7)}.json`, RepoTags: ['old:tag', 'old:other'], Layers: ['b/layer.tar'] },
  ]);
  const archive = rawTar([
    { name: 'a/layer.tar', data: ROOTFS },
    { name: 'b/layer.tar', type: '2', link: '../a/layer.tar' },
    { name: `${id.slice(7)}.json`, data: config },
    { name: 'manifest.json', data: manifest },
  ]);
  const other = newStore().store;
  expect(await other.load(stream(archive))).toEqual([{ id, names: ['old:tag', 'old:other'] }]);
});

test('skopeo and umoci read the store in place', async () => {
  const { root, store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'localhost:5000/demo/app:v1' });
  await store.import(stream(ROOTFS), { name: 'busybox', changes: ['CMD other'] });
  const names = execFileSync('umoci', ['ls', '--layout', store.paths.layout], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(names.sort()).toEqual(['docker.io/library/busybox:latest', 'localhost:5000/demo/app:v1']);
  const image = `${store.paths.layout}:localhost:5000/demo/app:v1`;
  expect(JSON.parse(skopeo('inspect', '--raw', `oci:${image}`)).config.digest).toBe(id);
  execFileSync('umoci', ['unpack', '--image', image, join(root, 'bundle')], { stdio: 'ignore' });
  expect(readFileSync(join(root, 'bundle/rootfs/bin/sh'), 'utf8')).toBe('shell');
});

test('an image that skopeo put into the store is unpacked when it is first used', async () => {
  const { root, store } = newStore();
  await store.import(stream(ROOTFS), { name: 'first' });
  skopeo(
    'copy',
    '-q',
    `oci:${umociLayout(root)}:base`,
    `oci:${store.paths.layout}:docker.io/library/guest:latest`,
  );
  expect(store.resolveUnpacked('guest')).toBeUndefined();
  const image = await store.resolve('guest');
  expect(readdirSync(`${image.layers[1]?.diffPath}/dir`)).toEqual(['two']);
  expect(store.resolveUnpacked('guest')).toEqual(image);
});

test('images are found by name, by tag and digest, and by the beginning of their ID', async () => {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'demo:v1' });
  const { manifestDigest } = await store.resolve('demo:v1');
  const texts = [
    'docker.io/library/demo:v1',
    id,
    id.slice(7),
    id.slice(7, 11),
    `demo@${manifestDigest}`,
    `demo:x@${manifestDigest}`,
  ];
  for (const text of texts) expect((await store.resolve(text)).id, text).toBe(id);
  for (const text of ['demo', 'other:v1', 'ffffffff', `other@${manifestDigest}`]) {
    await expect(store.resolve(text), text).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  }
  await expect(store.resolve('No Name')).rejects.toMatchObject({ code: 'IMAGE_REFERENCE_INVALID' });
});

test('an ID that two images begin with is ambiguous', async () => {
  const { store } = newStore();
  for (let i = 0; i < 17; i++) await store.import(stream(ROOTFS), { name: `i${i}`, changes: [`CMD ${i}`] });
  const first = (await store.list()).map((image) => image.id.charAt(7)).sort();
  const twice = first.find((digit, i) => digit === first[i + 1]);
  await expect(store.resolve(`sha256:${twice}`)).rejects.toMatchObject({ code: 'IMAGE_ID_AMBIGUOUS' });
});

test('a name that moves to another image leaves the first one without a name', async () => {
  const { store } = newStore();
  const first = await store.import(stream(ROOTFS), { name: 'app', changes: ['CMD 1'] });
  const second = await store.import(stream(ROOTFS), { name: 'app', changes: ['CMD 2'] });
  expect((await store.resolve('app')).id).toBe(second);
  expect((await store.list()).find((image) => image.id === first)).toMatchObject({
    repository: undefined,
    tag: undefined,
  });
  store.tag(first.slice(7, 20), 'old');
  expect((await store.list()).map((image) => image.repository).sort()).toEqual(['app', 'old']);
});

test('removing names leaves the image; removing the last one leaves nothing', async () => {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'app' });
  store.tag('app', 'app:two');
  expect(await store.remove('app', UNUSED)).toEqual({ untagged: ['app:latest'], deleted: undefined });
  expect((await store.resolve('app:two')).layers).toHaveLength(1);
  expect(await store.remove('app:two', UNUSED)).toEqual({ untagged: ['app:two'], deleted: id });
  for (const directory of ['resolved', 'layers', 'links', 'temporary'] as const) {
    expect(readdirSync(store.paths[directory]), directory).toEqual([]);
  }
  expect(readdirSync(`${store.paths.blobs}/sha256`)).toEqual([]);
  await expect(store.remove('app:two', UNUSED)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
});

test('an image with names in several repositories goes by its ID only with force', async () => {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'one' });
  store.tag('one', 'two');
  await expect(store.remove(id, UNUSED)).rejects.toMatchObject({ code: 'IMAGE_IN_USE' });
  expect(await store.remove(id, { ...UNUSED, force: true })).toEqual({
    untagged: ['one:latest', 'two:latest'],
    deleted: id,
  });
});

test('what a container uses stays', async () => {
  const { store } = newStore();
  const imageId = await store.import(stream(ROOTFS), { name: 'app' });
  const layers = (await store.resolve('app')).layers.map((layer) => layer.chainId);
  const used = (running: boolean) => () => [{ imageId, containerId: 'c'.repeat(64), running, layers }];
  await expect(store.remove('app', { uses: used(false) })).rejects.toMatchObject({
    code: 'IMAGE_IN_USE',
    message: expect.stringContaining('stopped container cccccccccccc'),
  });
  await expect(store.remove(imageId, { uses: used(true), force: true })).rejects.toMatchObject({
    code: 'IMAGE_IN_USE',
  });
  expect(await store.remove('app', { uses: used(true), force: true })).toEqual({
    untagged: ['app:latest'],
    deleted: undefined,
  });
  expect(readdirSync(store.paths.layers)).toHaveLength(1);
  expect((await store.resolve(imageId)).id).toBe(imageId);
  expect(await store.remove(imageId, UNUSED)).toEqual({ untagged: [], deleted: imageId });
  expect(readdirSync(store.paths.layers)).toEqual([]);
});

test('layers that another image has stay', async () => {
  const { store } = newStore();
  await store.import(stream(ROOTFS), { name: 'a', changes: ['CMD 1'] });
  await store.import(stream(ROOTFS), { name: 'b', changes: ['CMD 2'] });
  await store.remove('a', UNUSED);
  expect(existsSync(`${(await store.resolve('b')).layers[0]?.diffPath}/bin/sh`)).toBe(true);
});

test('two processes that load the same image at once both succeed and leave it once', async () => {
  const { root, store } = newStore();
  const archive = path(root, 'image.tar');
  skopeo('copy', '-q', `oci:${umociLayout(root)}:base`, `docker-archive:${archive}:demo:1`);
  const script = `import { openImageStore } from '${new URL('../../src/image/store.ts', import.meta.url).pathname}';
    const [image] = await openImageStore('${join(root, 'data')}').load({ path: '${archive}' });
    console.log(image.id);`;
  const processes = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const outputs = processes.map(async (child) => {
    const exit = once(child, 'exit');
    const text = (await child.stdout.toArray()).join('').trim();
    return { text, code: (await exit)[0] as number };
  });
  const results = await Promise.all(outputs);
  expect(new Set(results.map((r) => r.text)).size).toBe(1);
  expect(results.map((r) => r.code)).toEqual([0, 0, 0, 0]);
  expect(readdirSync(store.paths.layers)).toHaveLength(2);
  expect(readdirSync(store.paths.links)).toHaveLength(2);
  expect(readdirSync(store.paths.temporary)).toEqual([]);
  expect(await store.list()).toHaveLength(1);
});

test('what a killed process left is gone after the next writer, and not before while another one works', async () => {
  const { store } = newStore();
  await store.import(stream(ROOTFS), { name: 'app' });
  const half = path(store.paths.temporary, 'layer-1-x-0');
  const makeHalf = () => {
    mkdirSync(join(half, 'diff/sub'), { recursive: true });
    symlinkSync(`../sha256/${'0'.repeat(64)}/diff`, join(store.paths.links, 'zz'));
  };
  makeHalf();
  {
    using _work = await store.hold();
    await store.import(stream(ROOTFS), { name: 'two' });
    expect(existsSync(half)).toBe(true);
  }
  await store.import(stream(ROOTFS), { name: 'three' });
  expect(readdirSync(store.paths.temporary)).toEqual([]);
  expect(readdirSync(store.paths.links)).toEqual(['0']);
});

test('a process that is killed in the middle of its work leaves nothing for good', async () => {
  const { root, store } = newStore();
  const kept = await store.import(stream(ROOTFS), { name: 'kept' });
  const script = `import { openImageStore } from '${new URL('../../src/image/store.ts', import.meta.url).pathname}';
    import { startWork } from '${new URL('../../src/image/work.ts', import.meta.url).pathname}';
    import { addBlob } from '${new URL('../../src/image/blobs.ts', import.meta.url).pathname}';
    const { paths } = openImageStore('${join(root, 'data')}');
    const work = await startWork(paths);
    await addBlob(paths, (async function* () { yield Buffer.from('an orphan'); })());
    await addBlob(paths, (async function* () {
      yield Buffer.alloc(100000);
      console.log('half');
      await new Promise((resolve) => setTimeout(resolve, 1e6));
    })());`;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await once(child.stdout, 'data');
  const blobs = `${store.paths.blobs}/sha256`;
  const before = readdirSync(blobs).length;
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(readdirSync(store.paths.temporary).length).toBeGreaterThan(1);
  await store.import(stream(ROOTFS), { name: 'kept', created: new Date(0) });
  store.tag(kept, 'again');
  expect(readdirSync(store.paths.temporary)).toEqual([]);
  expect(readdirSync(blobs).length).toBe(before - 1 + 2);
});

test('a removal waits for those who work in the store', async () => {
  const { store } = newStore();
  await store.import(stream(ROOTFS), { name: 'app' });
  const order: string[] = [];
  const work = await store.hold();
  const removal = store.remove('app', UNUSED).then(() => order.push('removed'));
  store.tag('app', 'app:still-here');
  expect((await store.resolve('app')).layers).toHaveLength(1);
  order.push('worked');
  work[Symbol.dispose]();
  await removal;
  expect(order).toEqual(['worked', 'removed']);
});

// --- damaged input ---

async function dockerArchive(
  change: (parts: {
    config: Record<string, unknown>;
    layer: Buffer;
    manifest: Record<string, unknown>;
  }) => void,
) {
  const { store } = newStore();
  const id = await store.import(stream(ROOTFS), { name: 'x' });
  const config = JSON.parse(readFileSync(store.paths.blob(id), 'utf8'));
  const parts = {
    config,
    layer: ROOTFS,
    manifest: { Config: 'config', RepoTags: ['bad:1'], Layers: ['layer'] } as Record<string, unknown>,
  };
  change(parts);
  return rawTar([
    { name: 'manifest.json', data: JSON.stringify([parts.manifest]) },
    { name: 'config', data: JSON.stringify(parts.config) },
    { name: 'layer', data: parts.layer },
  ]);
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

const DAMAGE: Readonly<
  Record<
    string,
    { readonly code: string; change(parts: Parameters<Parameters<typeof dockerArchive>[0]>[0]): void }
  >
> = {
  'a layer with one bit changed': {
    code: 'IMAGE_DIGEST_MISMATCH',
    change: (p) => {
      p.layer = flipped(p.layer, 1024);
    },
  },
  'a compressed layer of another content': {
    code: 'IMAGE_DIGEST_MISMATCH',
    change: (p) => {
      p.layer = gzipSync(flipped(p.layer, 1024));
    },
  },
  'a gzip layer that is cut off': {
    code: 'IMAGE_STREAM_DAMAGED',
    change: (p) => {
      p.layer = gzipSync(p.layer).subarray(0, -9);
    },
  },
  'a gzip layer with a wrong checksum': {
    code: 'IMAGE_STREAM_DAMAGED',
    change: (p) => {
      const z = gzipSync(p.layer);
      p.layer = flipped(z, z.length - 6);
    },
  },
  'a zstd layer that is cut off': {
    code: 'IMAGE_STREAM_DAMAGED',
    change: (p) => {
      p.layer = zstdCompressSync(p.layer).subarray(0, -9);
    },
  },
  'a layer compressed with xz': {
    code: 'IMAGE_COMPRESSION_UNSUPPORTED',
    change: (p) => {
      p.layer = Buffer.from('fd377a585a0000', 'hex');
    },
  },
  'a layer that is missing': {
    code: 'IMAGE_ARCHIVE_INVALID',
    change: (p) => {
      p.manifest.Layers = ['nowhere'];
    },
  },
  'more layers than diff IDs': {
    code: 'IMAGE_DOCUMENT_INVALID',
    change: (p) => {
      p.manifest.Layers = ['layer', 'layer'];
    },
  },
  'a config that is null': {
    code: 'IMAGE_DOCUMENT_INVALID',
    change: (p) => {
      p.config = null as never;
    },
  },
  'a name that is no reference': {
    code: 'IMAGE_REFERENCE_INVALID',
    change: (p) => {
      p.manifest.RepoTags = ['BAD'];
    },
  },
  'an image for another system': {
    code: 'IMAGE_PLATFORM',
    change: (p) => {
      p.config.os = 'windows';
    },
  },
};

for (const [what, { code, change }] of Object.entries(DAMAGE)) {
  test(`${what} is an error, and nothing is listed or left half-made`, async () => {
    const { store } = newStore();
    await expect(store.load(stream(await dockerArchive(change)))).rejects.toMatchObject({ code });
    expect(await store.list()).toEqual([]);
    expect(readdirSync(store.paths.temporary)).toEqual([]);
    expect(readdirSync(store.paths.layers)).toEqual([]);
    expect(readdirSync(store.paths.links)).toEqual([]);
    expect(readdirSync(`${store.paths.blobs}/sha256`)).toEqual([]);
  });
}

test('an archive that is something else is an error', async () => {
  const { root, store } = newStore();
  await expect(store.load(stream(rawTar([file('readme')])))).rejects.toMatchObject({
    code: 'IMAGE_ARCHIVE_INVALID',
  });
  await expect(store.load(stream(Buffer.from('no tar at all'.repeat(100))))).rejects.toMatchObject({
    code: 'TAR_INVALID',
  });
  await expect(store.load({ path: path(root, 'missing') })).rejects.toMatchObject({
    code: 'IMAGE_ARCHIVE_INVALID',
  });
});

test('a blob of an OCI directory that is a symbolic link or was changed is refused', async () => {
  const { root, store } = newStore();
  const layout = umociLayout(root);
  const blobs = join(layout, 'blobs/sha256');
  const largest = readdirSync(blobs).sort(
    (a, b) => statSync(join(blobs, b)).size - statSync(join(blobs, a)).size,
  )[0] as string;
  const blob = join(blobs, largest);
  renameSync(blob, join(root, 'elsewhere'));
  symlinkSync(join(root, 'elsewhere'), blob);
  await expect(store.load({ path: layout as HostPath })).rejects.toMatchObject({
    code: 'IMAGE_ARCHIVE_INVALID',
  });
  rmSync(blob);
  writeFileSync(blob, flipped(readFileSync(join(root, 'elsewhere')), 20));
  await expect(store.load({ path: layout as HostPath })).rejects.toMatchObject({
    code: 'IMAGE_DIGEST_MISMATCH',
  });
  appendFileSync(blob, 'x');
  await expect(store.load({ path: layout as HostPath })).rejects.toMatchObject({
    code: 'IMAGE_ARCHIVE_INVALID',
  });
});

test('a blob that was changed in the store is noticed before it is unpacked', async () => {
  const { root, store } = newStore();
  await store.import(stream(ROOTFS), { name: 'first' });
  skopeo(
    'copy',
    '-q',
    `oci:${umociLayout(root)}:base`,
    `oci:${store.paths.layout}:docker.io/library/guest:latest`,
  );
  const { layers } = JSON.parse(
    skopeo('inspect', '--raw', `oci:${store.paths.layout}:docker.io/library/guest:latest`),
  );
  const blob = store.paths.blob(layers[1].digest);
  writeFileSync(blob, flipped(readFileSync(blob), 10));
  await expect(store.resolve('guest')).rejects.toMatchObject({
    code: expect.stringMatching(/IMAGE_(DIGEST_MISMATCH|STREAM_DAMAGED)/),
  });
});

test('indexes in indexes are followed four deep, and no deeper', async () => {
  const nested = (depth: number) => {
    const files = new Map(ociFiles({ name: 'nested:1', layers: [[file('f')]] }));
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    for (let i = 0; i < depth; i++) {
      const bytes = files.get('index.json') as Buffer;
      const digest = sha256(bytes);
      files.set(`blobs/${digest.replace(':', '/')}`, bytes);
      const manifests = [{ mediaType, digest, size: bytes.length }];
      files.set('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })));
    }
    return stream(rawTar([...files].map(([name, data]) => ({ name, data }))));
  };
  expect(await newStore().store.load(nested(4))).toHaveLength(1);
  await expect(newStore().store.load(nested(5))).rejects.toThrow('nested more than 4 deep');
});

// --- many layers ---

test('120 layers mount through their short names in one page of options', async () => {
  const { root, store } = newStore();
  const layers = Array.from({ length: 120 }, (_, i) => rawTar([file(`f${i}`, `${i}`), file('last', `${i}`)]));
  const { createHash } = await import('node:crypto');
  const digests = layers.map((layer) => `sha256:${createHash('sha256').update(layer).digest('hex')}`);
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: digests } };
  const manifest = [{ Config: 'c', RepoTags: ['deep:1'], Layers: layers.map((_, i) => `l${i}`) }];
  const archive = rawTar([
    { name: 'manifest.json', data: JSON.stringify(manifest) },
    { name: 'c', data: JSON.stringify(config) },
    ...layers.map((data, i) => ({ name: `l${i}`, data })),
  ]);
  await store.load(stream(archive));
  const image = await store.resolve('deep:1');
  const lower = image.layers
    .toReversed()
    .map((layer) => layer.link)
    .join(':');
  expect(lower.length).toBeLessThan(400);
  expect(readlinkSync(join(store.paths.links, image.layers[7]?.link ?? ''))).toMatch(
    /^\.\.\/sha256\/[0-9a-f]{64}\/diff$/,
  );
  const target = join(root, 'merged');
  mkdirSync(target);
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${lower}`, target], {
    cwd: store.paths.links,
  });
  try {
    expect(readdirSync(target)).toHaveLength(121);
    expect(readFileSync(join(target, 'last'), 'utf8')).toBe('119');
  } finally {
    execFileSync('umount', [target]);
  }
});
