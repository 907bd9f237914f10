/** `tsrun system check`: what is broken is found and named, and what can be made again is mended. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lutimesSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { StoreProblem } from '../../src/image/check.ts';
import type { ImageUse } from '../../src/image/remove.ts';
import { openImageStore } from '../../src/image/store.ts';
import type { StorePaths } from '../../src/image/store-paths.ts';
import { type Digest, type HostPath, hostPath } from '../../src/lib/brands.ts';
import { TsrunError } from '../../src/lib/errors.ts';
import { pullImage } from '../../src/registry/pull.ts';
import { dockerArchive } from '../support/image-archives.ts';
import { pieces, temporaryDirectory } from '../support/layers.ts';
import { serveImage } from '../support/scripted-registry.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: 'own' });
const IMAGE = {
  name: 'checked:1',
  layers: [
    [
      { name: 'dir', type: '5' },
      { name: 'dir/file', data: 'some text' },
      { name: 'dir/second', type: '1', link: 'dir/file' },
      { name: 'link', type: '2', link: 'dir' },
      { name: 'gone', data: 'x' },
    ],
    [
      { name: '.wh.gone', data: '' },
      { name: 'top', data: 'top', pax: { 'SCHILY.xattr.user.mark': 'm' } },
    ],
  ],
};

let dataRoot: HostPath;
let paths: StorePaths;
/** Names of the two layers, lowest first. */
let lower = '';
let upper = '';

beforeEach(async () => {
  dataRoot = hostPath(join(temporaryDirectory(), 'data'));
  const store = openImageStore(dataRoot);
  await store.load({ stream: pieces(dockerArchive(IMAGE)) });
  const image = await store.resolve('checked:1');
  paths = store.paths;
  [lower = '', upper = ''] = image.layers.map(({ diffPath }) => diffPath);
});

async function check(repair = false): Promise<readonly StoreProblem[]> {
  const uses = (): ImageUse[] => [];
  const pull = () => Promise.reject(new TsrunError('OFFLINE', 'there is no registry'));
  return (await openImageStore(dataRoot).check({ repair, uses, pull })).problems;
}

test('a sound store has no problems, and an empty one neither', async () => {
  expect(await check()).toEqual([]);
  const { code, stdout } = await tsrun.runWith({ env: { TSRUN_ROOT: dataRoot } }, 'system', 'check');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Images: 1\nBlobs: 4 \(.*\)\nUnpacked layers: 2 \(.*\)\nNo problems\n$/);
  expect(readdirSync(paths.temporary)).toEqual([]);
  rmSync(dataRoot, { recursive: true });
  expect(await check()).toEqual([]);
  expect(existsSync(dataRoot)).toBe(false);
});

const DAMAGE: Readonly<Record<string, { readonly act: () => void; readonly problem: string }>> = {
  'another content of the same size and time': {
    problem: '"dir/file": it has another content',
    act: () => {
      const { atime, mtime } = statSync(join(lower, 'dir/file'));
      writeFileSync(join(lower, 'dir/file'), 'some tixt');
      utimesSync(join(lower, 'dir/file'), atime, mtime);
    },
  },
  'another size': {
    problem: '"dir/file": it has 2 bytes, not 9',
    act: () => {
      const { atime, mtime } = statSync(join(lower, 'dir/file'));
      writeFileSync(join(lower, 'dir/file'), 'ab');
      utimesSync(join(lower, 'dir/file'), atime, mtime);
    },
  },
  'another mode': {
    problem: '"top": it has another mode',
    act: () => chmodSync(join(upper, 'top'), 0o666),
  },
  'a missing whiteout': {
    problem: '"gone": it is missing',
    act: () => atSameTime(upper, () => unlinkSync(join(upper, 'gone'))),
  },
  'a file too many': {
    problem: '"extra": it does not belong here',
    act: () => atSameTime(upper, () => writeFileSync(join(upper, 'extra'), '')),
  },
  'another type': {
    problem: '"link": it is of another type',
    act: () =>
      atSameTime(lower, () => {
        unlinkSync(join(lower, 'link'));
        writeFileSync(join(lower, 'link'), 'dir');
      }),
  },
  'another target of a link': {
    problem: '"link": it has another target',
    act: () =>
      atSameTime(lower, () => {
        unlinkSync(join(lower, 'link'));
        symlinkSync('/etc', join(lower, 'link'));
        lutimesSync(join(lower, 'link'), 1_700_000_000, 1_700_000_000);
      }),
  },
  'a hard link that is a copy': {
    problem: '"dir/file": it has another number of names, and 2 more',
    act: () =>
      atSameTime(join(lower, 'dir'), () => {
        unlinkSync(join(lower, 'dir/second'));
        writeFileSync(join(lower, 'dir/second'), 'some text');
        utimesSync(join(lower, 'dir/second'), 1_700_000_000, 1_700_000_000);
      }),
  },
  'a description of another layer': {
    problem: 'its layer.json belongs to another layer',
    act: () => writeFileSync(join(upper, '../layer.json'), readFileSync(join(lower, '../layer.json'))),
  },
  'no description': {
    problem: 'its layer.json is missing',
    act: () => unlinkSync(join(lower, '../layer.json')),
  },
  'a short name that leads elsewhere': {
    problem: 'its short name 0 does not lead to it',
    act: () => {
      unlinkSync(`${paths.links}/0`);
      symlinkSync(`../sha256/${'0'.repeat(64)}/diff`, `${paths.links}/0`);
    },
  },
};

function atSameTime(directory: string, act: () => void): void {
  const { atime, mtime } = statSync(directory);
  act();
  utimesSync(directory, atime, mtime);
}

describe('an unpacked layer with', () => {
  for (const [what, { act, problem }] of Object.entries(DAMAGE)) {
    test(`${what} is found, and unpacked again`, async () => {
      act();
      const layer = (await check()).find(({ kind }) => kind === 'layer');
      expect(layer).toMatchObject({ problem, images: ['checked:1'], repaired: false });
      const after = await check(true);
      expect(after.find(({ kind }) => kind === 'layer')?.repair).toBe('unpacked again');
      expect(after.filter(({ repaired }) => !repaired)).toEqual([]);
      expect(await check()).toEqual([]);
      expect(readFileSync(join(upper, 'top'), 'utf8')).toBe('top');
    });
  }
});

test('a blob with one bit changed is named with its image, and leaves when nobody can bring it again', async () => {
  const [blob = ''] = readdirSync(`${paths.blobs}/sha256`)
    .map((name) => `${paths.blobs}/sha256/${name}`)
    .filter((path) => readFileSync(path).includes('dir/file'));
  const sound = readFileSync(blob);
  const bytes = Buffer.from(sound);
  bytes[100] = (bytes[100] as number) ^ 1;
  writeFileSync(blob, bytes);
  const problems = await check();
  expect(problems).toMatchObject([{ kind: 'blob', images: ['checked:1'], repaired: false }]);
  expect(problems[0]?.problem).toContain('its content has the digest');
  const { code, stdout } = await tsrun.runWith(
    { env: { TSRUN_ROOT: dataRoot } },
    'system',
    'check',
    '--format',
    'json',
  );
  expect(`${code} ${stdout}`).toContain('"Images":["checked:1"]');
  expect(code).toBe(1);
  expect(await check(true)).toMatchObject([
    { kind: 'blob', repaired: false, repair: 'removed; load or pull the image again to have it back' },
    { kind: 'pull', subject: expect.stringMatching(/^checked@sha256:/), problem: 'there is no registry' },
  ]);
  expect(existsSync(blob)).toBe(false);
  // The image still runs from its layers; loading it brings the blob back.
  await openImageStore(dataRoot).load({ stream: pieces(dockerArchive(IMAGE)) });
  expect(readFileSync(blob)).toEqual(sound);
  expect(await check()).toEqual([]);
});

test('a manifest that is missing is a problem of its image, and the image can be removed', async () => {
  const { manifests } = JSON.parse(readFileSync(paths.index, 'utf8'));
  unlinkSync(paths.blob(manifests[0].digest));
  expect(await check()).toMatchObject([{ kind: 'image', images: ['checked:1'] }]);
  await check(true);
  const images = await tsrun.runWith({ env: { TSRUN_ROOT: dataRoot } }, 'images');
  expect(images.stdout).toMatch(/^checked +1 /m);
  expect(images.stderr).toBe("tsrun: the image checked:1 is damaged: see 'tsrun system check'\n");
  await openImageStore(dataRoot).remove('checked:1', { uses: () => [] });
  expect(await check()).toEqual([]);
  expect(readdirSync(`${paths.blobs}/sha256`)).toEqual([]);
});

test('what no image needs is found, and goes with --repair', async () => {
  const orphan = `${paths.blobs}/sha256/${'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}`;
  writeFileSync(orphan, '');
  expect(await check()).toMatchObject([{ kind: 'orphans' }]);
  expect((await check(true)).filter(({ repaired }) => !repaired)).toEqual([]);
  expect(existsSync(orphan)).toBe(false);
});

test('an answer for starts that names other layers is found, and made again', async () => {
  const [name = ''] = readdirSync(paths.resolved);
  const path = `${paths.resolved}/${name}`;
  const document = JSON.parse(readFileSync(path, 'utf8'));
  document.layers.reverse();
  writeFileSync(path, JSON.stringify(document));
  expect(await check()).toMatchObject([{ kind: 'resolved' }]);
  expect((await check(true)).filter(({ repaired }) => !repaired)).toEqual([]);
  expect(await check()).toEqual([]);
});

test('a blob under a name that is not its digest, and a layer whose tree is elsewhere, are no surprise', async () => {
  linkSync(`${paths.layout}/oci-layout`, `${paths.blobs}/sha256/readme`);
  renameSync(lower, `${lower}-away`);
  expect((await check()).find(({ kind }) => kind === 'layer')?.problem).toContain('it is missing');
  expect((await check(true)).filter(({ repaired }) => !repaired)).toEqual([]);
});

test('a layout that another tool has just begun, without the rest of the store, is sound', async () => {
  for (const name of ['layers', 'resolved', 'tmp']) rmSync(join(dataRoot, name), { recursive: true });
  expect(await check()).toEqual([]);
});

test('a broken blob of a pulled image is pulled again, and the layer above it is looked at then', async () => {
  await using registry = await serveImage({ name: 'pulled:1', layers: IMAGE.layers });
  const root = hostPath(join(temporaryDirectory(), 'data'));
  const store = openImageStore(root);
  const pull = (reference: string) =>
    pullImage(store.paths, reference, { env: {}, onLayer: () => undefined });
  const name = `${registry.host}/pulled:1`;
  await pull(name);
  const blob = store.paths.blob(registry.layers[0] as Digest);
  const { manifestDigest, layers } = await store.resolve(name);
  const document = store.paths.blob(manifestDigest);
  const sound = [readFileSync(blob), readFileSync(document)];
  writeFileSync(blob, 'broken');
  writeFileSync(document, '{}');
  chmodSync(join(layers[1]?.diffPath ?? '', 'top'), 0o666);
  const options = { uses: (): ImageUse[] => [], pull };
  expect((await store.check({ ...options, repair: false })).problems.map(({ kind }) => kind)).toContain(
    'image',
  );
  const { problems } = await store.check({ ...options, repair: true });
  expect(problems.filter(({ repaired }) => !repaired)).toEqual([]);
  expect(problems.map(({ repair }) => repair)).toContain('pulled again');
  expect([readFileSync(blob), readFileSync(document)]).toEqual(sound);
  expect((await store.check({ ...options, repair: false })).problems).toEqual([]);
});
