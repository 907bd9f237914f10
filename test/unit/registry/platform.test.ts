import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/lib/brands.ts';
import { choosePlatform, parsePlatform, platformName } from '../../../src/registry/platform.ts';

describe('of the images of an index', () => {
  const chosen = (wanted: string, offered: readonly string[]) => {
    const manifests = offered.map((name, i) => {
      const [os = '', architecture = '', variant] = name.split('/');
      const platform = { os, architecture, ...(variant ? { variant } : {}) };
      return { mediaType: '', digest: `sha256:${i}` as Digest, size: 0, platform };
    });
    const found = choosePlatform(manifests, parsePlatform(wanted));
    return found?.platform && platformName(found.platform);
  };
  test.each([
    ['linux/amd64', ['linux/arm64', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', ['linux/arm64'], undefined],
    ['linux/amd64', ['windows/amd64', 'unknown/unknown', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', ['linux/amd64/v3', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
    ['linux/arm/v7', ['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v6'],
    ['linux/arm/v6', ['linux/arm/v7', 'linux/arm/v5'], 'linux/arm/v5'],
    ['linux/arm64', ['linux/arm64/v8'], 'linux/arm64/v8'],
    ['linux/arm64/v8', ['linux/arm64'], 'linux/arm64'],
    ['linux/s390x', ['linux/s390x'], 'linux/s390x'],
  ])('%s takes of %j %s', (wanted, offered, expected) => {
    expect(chosen(wanted, offered)).toBe(expected);
  });

  test('one that names no platform is for none', () => {
    expect(
      choosePlatform(
        [{ mediaType: '', digest: 'sha256:0' as Digest, size: 0 }],
        parsePlatform('linux/amd64'),
      ),
    ).toBe(undefined);
  });
});

test.each([
  ['linux/arm64', 'linux/arm64'],
  ['arm64', 'linux/arm64'],
  ['aarch64', 'linux/arm64'],
  ['linux/x86_64', 'linux/amd64'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/arm/v6', 'linux/arm/v6'],
  ['Linux/AMD64', 'linux/amd64'],
])('the platform %s is %s', (text, expected) => {
  expect(platformName(parsePlatform(text))).toBe(expected);
});

test.each(['', 'linux/', 'a/b/c/d', 'linux/am d64', 'linux//v7'])('%j is no platform', (text) => {
  expect(() => parsePlatform(text)).toThrow('Cannot use the platform');
});
