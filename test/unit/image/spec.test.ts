import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { MEDIA_TYPES, parseImageConfig, parseIndex, parseManifest } from '../../../src/spec/image.ts';
import { parseJsonDocument } from '../../../src/spec/image-json.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const config = { mediaType: MEDIA_TYPES.ociConfig, digest: DIGEST, size: 2 };
const layer = { mediaType: MEDIA_TYPES.ociLayer, digest: DIGEST, size: 10 };
const good = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] };
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const manifest = (value: unknown) => parseManifest(bytes(value), MEDIA_TYPES.ociManifest, 'the manifest');

test('a manifest is read, with or without its own media type', () => {
  expect(manifest(good).layers).toEqual([layer]);
  expect(manifest({ ...good, mediaType: undefined }).config.digest).toBe(DIGEST);
  expect(
    manifest({ ...good, layers: [{ ...layer, digest: `sha512:${'a'.repeat(128)}` }] }).layers,
  ).toHaveLength(1);
});

const BAD_MANIFESTS: Readonly<Record<string, unknown>> = {
  'both layers and manifests': { ...good, manifests: [] },
  'another media type than its descriptor': { ...good, mediaType: MEDIA_TYPES.ociIndex },
  'an old schema': { ...good, schemaVersion: 1 },
  'no config': { ...good, config: undefined },
  'a config of another kind': { ...good, config: { ...config, mediaType: 'application/x-helm' } },
  'layers that are null': { ...good, layers: null },
  'a layer that is null': { ...good, layers: [null] },
  'an encrypted layer': { ...good, layers: [{ ...layer, mediaType: `${MEDIA_TYPES.ociLayer}+encrypted` }] },
  'a digest in upper case': { ...good, layers: [{ ...layer, digest: `sha256:${'A'.repeat(64)}` }] },
  'a digest that is too short': { ...good, layers: [{ ...layer, digest: 'sha256:abc' }] },
  'a digest that climbs': { ...good, layers: [{ ...layer, digest: 'sha256:../../etc/passwd' }] },
  'a digest of an unknown algorithm': { ...good, layers: [{ ...layer, digest: `md5:${'0'.repeat(32)}` }] },
  'a negative size': { ...good, layers: [{ ...layer, size: -1 }] },
  'a size with a fraction': { ...good, layers: [{ ...layer, size: 1.5 }] },
  'a size of 2^53': { ...good, layers: [{ ...layer, size: 2 ** 53 }] },
  'a million layers': `{"schemaVersion":2,"config":${JSON.stringify(config)},"layers":[${'0,'.repeat(1e6)}0]}`,
  'a list instead of an object': [],
  'text after its end': `${JSON.stringify(good)}x`,
  'a byte order mark': `\ufeff${JSON.stringify(good)}`,
  'deep nesting': `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`,
  'more than 4 MiB': `"${'x'.repeat(4 * 1024 * 1024)}"`,
};

for (const [what, value] of Object.entries(BAD_MANIFESTS)) {
  test(`a manifest with ${what} is refused`, () => {
    expect(() => manifest(value)).toThrow(expect.objectContaining({ code: 'IMAGE_DOCUMENT_INVALID' }));
  });
}

test('bytes that are not UTF-8 are refused', () => {
  expect(() => parseJsonDocument(Buffer.from([0x22, 0xff, 0x22]), 'x')).toThrow('UTF-8');
});

test('an index that has layers is refused', () => {
  const index = { schemaVersion: 2, manifests: [], layers: [] };
  expect(() => parseIndex(bytes(index), MEDIA_TYPES.ociIndex, 'x')).toThrow('both manifests and layers');
});

const image = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [DIGEST] },
  config: null,
};

test('a config must have as many diff IDs and filled history entries as there are layers', () => {
  expect(parseImageConfig(bytes(image), 1, 'x').diffIds).toEqual([DIGEST]);
  expect(() => parseImageConfig(bytes(image), 2, 'x')).toThrow('1 diff IDs for 2 layers');
  const history = [{ empty_layer: true }, {}, {}];
  expect(() => parseImageConfig(bytes({ ...image, history }), 1, 'x')).toThrow('2 history entries');
});

test('__proto__ in labels is a label and nothing else', () => {
  const text = JSON.stringify(image).replace('null', '{"Labels":{"__proto__":"x","constructor":"y"}}');
  const labels = parseImageConfig(Buffer.from(text), 1, 'x').config.Labels;
  expect(Object.entries(labels ?? {})).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  expect(Object.getPrototypeOf(labels)).toBeNull();
});

// --- further shapes ---

const DESCRIPTOR = { mediaType: MEDIA_TYPES.ociManifest, digest: DIGEST, size: 2 };
const index = { schemaVersion: 2, manifests: [DESCRIPTOR] };

const BAD_INDEXES: Readonly<Record<string, unknown>> = {
  'no manifests': { schemaVersion: 2 },
  'manifests that are an object': { schemaVersion: 2, manifests: {} },
  'a manifest that is null': { schemaVersion: 2, manifests: [null] },
  'a manifest that is a digest alone': { schemaVersion: 2, manifests: [DIGEST] },
  'a manifest without a media type': {
    schemaVersion: 2,
    manifests: [{ ...DESCRIPTOR, mediaType: undefined }],
  },
  'a platform that is a word': { schemaVersion: 2, manifests: [{ ...DESCRIPTOR, platform: 'linux/amd64' }] },
  'a platform without a system': {
    schemaVersion: 2,
    manifests: [{ ...DESCRIPTOR, platform: { architecture: 'arm' } }],
  },
  'annotations that are numbers': { schemaVersion: 2, manifests: [{ ...DESCRIPTOR, annotations: { a: 1 } }] },
  'more than 10,000 manifests': {
    schemaVersion: 2,
    manifests: Array.from({ length: 10_001 }, () => DESCRIPTOR),
  },
  'the media type of a manifest': { ...index, mediaType: MEDIA_TYPES.ociManifest },
  'a config': { ...index, config: DESCRIPTOR },
};

for (const [what, value] of Object.entries(BAD_INDEXES)) {
  test(`an index with ${what} is refused`, () => {
    expect(() => parseIndex(bytes(value), MEDIA_TYPES.ociIndex, 'x')).toThrow(
      expect.objectContaining({ code: 'IMAGE_DOCUMENT_INVALID' }),
    );
  });
}

const BAD_CONFIGS: Readonly<Record<string, unknown>> = {
  'null for the whole': null,
  'no bytes': '',
  'half of its bytes': JSON.stringify(image).slice(0, 40),
  'no root file system': { ...image, rootfs: undefined },
  'a root file system of another type': { ...image, rootfs: { ...image.rootfs, type: 'tree' } },
  'diff IDs that are no digests': { ...image, rootfs: { type: 'layers', diff_ids: ['../../x'] } },
  'no architecture': { ...image, architecture: undefined },
  'a system that is a number': { ...image, os: 1 },
  'an environment that is a map': { ...image, config: { Env: { A: '1' } } },
  'a command with a number in it': { ...image, config: { Cmd: ['sh', 1] } },
  'labels that are a list': { ...image, config: { Labels: ['a'] } },
  'ports that are a list': { ...image, config: { ExposedPorts: ['80/tcp'] } },
  'a history that is a word': { ...image, history: 'none' },
};

for (const [what, value] of Object.entries(BAD_CONFIGS)) {
  test(`a config with ${what} is refused`, () => {
    expect(() => parseImageConfig(bytes(value), 1, 'x')).toThrow(
      expect.objectContaining({ code: 'IMAGE_DOCUMENT_INVALID' }),
    );
  });
}

test('a document of a million items takes less than 32 MiB to refuse', () => {
  const script = `
    const { parseManifest, MEDIA_TYPES } = await import('${new URL('../../../src/spec/image.ts', import.meta.url).pathname}');
    const large = Buffer.from('{"schemaVersion":2,"layers":[' + '0,'.repeat(1e6) + '0]}');
    const before = process.memoryUsage().rss;
    try { parseManifest(large, MEDIA_TYPES.ociManifest, 'x'); } catch (error) { console.log(error.code); }
    console.log(process.resourceUsage().maxRSS * 1024 - before);`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const [code, peakBytes] = execFileSync(process.execPath, flags, { encoding: 'utf8' }).split('\n');
  expect(code).toBe('IMAGE_DOCUMENT_INVALID');
  expect(Number(peakBytes)).toBeLessThan(32 * 2 ** 20);
});
