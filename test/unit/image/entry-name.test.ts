import { expect, test } from 'vitest';
import type { ByteString } from '../../../src/image/tar/bytes.ts';
import { parseEntryName, parseLinkTarget } from '../../../src/image/unpack/entry-name.ts';

const parse = (name: string) => parseEntryName(name as ByteString);

test('climbs stop at the root, and an absolute name is below it', () => {
  const place = { kind: 'place', parents: ['etc'], name: 'passwd' };
  expect(parse('../../etc/passwd')).toEqual(place);
  expect(parse('/etc/passwd')).toEqual(place);
  expect(parse('a/../../etc/./passwd')).toEqual(place);
});

test('the root has many names, and an empty one is none of them', () => {
  for (const name of ['.', './', '/', '//.']) expect(parse(name)).toEqual({ kind: 'root' });
  expect(() => parse('')).toThrow('without a name');
});

test('a name that ends with two dots is refused', () => {
  for (const name of ['..', '../', 'a/..', './../.'])
    expect(() => parse(name), name).toThrow('ends with ".."');
});

test('whiteouts name what they hide', () => {
  expect(parse('d/.wh.file')).toEqual({ kind: 'whiteout', parents: ['d'], name: 'file' });
  expect(parse('d/.wh..wh..opq')).toEqual({ kind: 'opaque', parents: ['d'] });
  for (const name of ['.wh.', '.wh..', '.wh...']) expect(() => parse(name), name).toThrow('names nothing');
});

test('what aufs left behind is not seen', () => {
  for (const name of ['.wh..wh.plnk', '.wh..wh.plnk/12.34', '.wh..wh.aufs', 'd/.wh..wh.orph/x']) {
    expect(parse(name), name).toEqual({ kind: 'aufs' });
  }
});

test('a directory cannot have the name of a whiteout', () => {
  expect(() => parse('.wh.d/file')).toThrow('reserved');
});

test('names and paths longer than the kernel takes are refused', () => {
  expect(parse('x'.repeat(255)).kind).toBe('place');
  expect(() => parse('x'.repeat(256))).toThrow('ENAMETOOLONG');
  expect(() => parse('x/'.repeat(2100))).toThrow('ENAMETOOLONG');
});

test('a hard link needs a target that is not the root', () => {
  expect(parseLinkTarget('/a/../b' as ByteString)).toEqual({ parents: [], name: 'b' });
  expect(() => parseLinkTarget('/' as ByteString)).toThrow();
  expect(() => parseLinkTarget('' as ByteString)).toThrow();
});
