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
