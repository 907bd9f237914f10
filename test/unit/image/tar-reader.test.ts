import { expect, test } from 'vitest';
import { type TarEntry, TarReader } from '../../../src/image/tar/reader.ts';
import {
  base256,
  gnuLong,
  paxHeader,
  paxRecord,
  type RawEntry,
  rawEntry,
  rawTar,
} from '../../support/raw-tar.ts';

function read(tar: Buffer, pieceBytes = tar.length): { entries: TarEntry[]; data: string[] } {
  const entries: TarEntry[] = [];
  const data: string[] = [];
  const reader = new TarReader({
    entry: (entry) => {
      entries.push(entry);
      data.push('');
    },
    data: (bytes) => {
      data[data.length - 1] += bytes.toString('latin1');
    },
  });
  for (let at = 0; at < tar.length; at += pieceBytes) reader.write(tar.subarray(at, at + pieceBytes));
  reader.end();
  return { entries, data };
}

const only = (...entries: RawEntry[]) => read(rawTar(entries)).entries.at(-1) as TarEntry;
const UID = 108;
const SIZE = 124;
const MTIME = 136;

test('entries and data are the same in whatever pieces the archive comes', () => {
  const tar = rawTar([
    { name: 'a', data: 'x'.repeat(1500), pax: { path: 'long/name' } },
    { name: 'b', type: '5' },
    { name: 'c', data: 'end' },
  ]);
  const whole = read(tar);
  expect(whole.entries.map((e) => e.name)).toEqual(['long/name', 'b', 'c']);
  expect(whole.data[0]).toBe('x'.repeat(1500));
  for (const size of [1, 7, 511, 512, 513]) expect(read(tar, size)).toEqual(whole);
});

test('names are bytes: no encoding is assumed and nothing is replaced', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x0a, 0x1b, 0x41]);
  expect(Buffer.from(only({ name: bytes }).name, 'latin1')).toEqual(bytes);
  expect(only({ name: 'x', pax: { path: bytes } }).name).toBe(bytes.toString('latin1'));
  expect(only({ name: '__proto__' }).name).toBe('__proto__');
});

test('GNU long names and links are read, and PAX wins over them', () => {
  const long = 'd/'.repeat(200);
  const entry = rawEntry({ name: 'short', type: '2', link: 'x' });
  expect(read(Buffer.concat([gnuLong('L', long), gnuLong('K', 'target'), entry])).entries[0]).toMatchObject({
    name: long,
    link: 'target',
  });
  const both = Buffer.concat([gnuLong('L', long), rawEntry({ name: 'short', pax: { path: 'pax' } })]);
  expect(read(both).entries[0]?.name).toBe('pax');
});

test('the ustar prefix belongs to the name, but not in GNU headers', () => {
  expect(only({ name: 'n', patch: { 345: 'some/dir' } }).name).toBe('some/dir/n');
  expect(only({ name: 'n', patch: { 257: 'ustar  \0', 345: '00000' } }).name).toBe('n');
});

test('numbers come in octal, in base 256 and in PAX records, which win', () => {
  expect(only({ name: 'x', patch: { [UID]: base256(2n ** 31n, 8) } }).uid).toBe(2 ** 31);
  expect(only({ name: 'x', pax: { uid: '4294967294' }, patch: { [UID]: 'garbage!' } }).uid).toBe(4294967294);
  expect(read(rawTar([{ name: 'x', data: 'abc', size: 1, pax: { size: '3' } }])).data).toEqual(['abc']);
});

test('times before 1970 and parts of a second are kept', () => {
  expect(only({ name: 'x', patch: { [MTIME]: base256(-5n) } }).mtime).toEqual({
    seconds: -5,
    nanoseconds: 0,
  });
  expect(only({ name: 'x', pax: { mtime: '1.5' } }).mtime).toEqual({ seconds: 1, nanoseconds: 500_000_000 });
  expect(only({ name: 'x', pax: { mtime: '-1.25' } }).mtime).toEqual({
    seconds: -2,
    nanoseconds: 750_000_000,
  });
});

test('a PAX header for the whole archive changes no entry', () => {
  const tar = Buffer.concat([paxHeader({ path: 'evil', comment: 'x' }, 'g'), rawTar([{ name: 'good' }])]);
  expect(read(tar).entries.map((e) => e.name)).toEqual(['good']);
});

test('type 7 is a file, and an old header whose name ends with a slash is a directory', () => {
  expect(only({ name: 'x', type: '7' }).type).toBe('file');
  expect(only({ name: 'x/', type: '\0' }).type).toBe('directory');
});

const REFUSED: Readonly<Record<string, Buffer>> = {
  'a wrong checksum': rawTar([{ name: 'x', badChecksum: true }]),
  'an unknown type': rawTar([{ name: 'x', type: 'Z' }]),
  'a GNU sparse file': rawTar([{ name: 'x', type: 'S' }]),
  'a PAX sparse file': rawTar([{ name: 'x', pax: { 'GNU.sparse.major': '1' } }]),
  'uid 2^32-1, which chown takes for "no change"': rawTar([{ name: 'x', pax: { uid: '4294967295' } }]),
  'uid 2^32': rawTar([{ name: 'x', pax: { uid: '4294967296' } }]),
  'uid -1': rawTar([{ name: 'x', pax: { uid: '-1' } }]),
  'a uid that is no number': rawTar([{ name: 'x', patch: { [UID]: 'root\0' } }]),
  'a size of 2^62': rawTar([{ name: 'x', patch: { [SIZE]: base256(2n ** 62n) } }]),
  'a negative size': rawTar([{ name: 'x', patch: { [SIZE]: base256(-1n) } }]),
  'an mtime of 10^20': rawTar([{ name: 'x', pax: { mtime: '100000000000000000000' } }]),
  'an mtime in exponent form': rawTar([{ name: 'x', pax: { mtime: '1e20' } }]),
  'a NUL in a PAX name': rawTar([{ name: 'x', pax: { path: 'a\0b' } }]),
  'a NUL in the name of an extended attribute': rawTar([
    { name: 'x', pax: { 'SCHILY.xattr.user.a\0b': 'v' } },
  ]),
  'a PAX record whose length is too large': Buffer.concat([paxWith('99 path=x\n'), rawTar([{ name: 'x' }])]),
  'a PAX record without an equals sign': Buffer.concat([paxWith('8 path\n\n'), rawTar([{ name: 'x' }])]),
  'a PAX header above 1 MiB': Buffer.concat([
    paxHeader({ comment: 'x'.repeat(2 ** 20) }),
    rawTar([{ name: 'x' }]),
  ]),
  'an archive that ends inside a file': rawTar([{ name: 'x', data: 'y'.repeat(3000) }]).subarray(0, 1024),
  'an archive that ends after a PAX header': paxHeader({ path: 'x' }),
};

function paxWith(text: string): Buffer {
  const whole = paxHeader({ k: 'v'.repeat(text.length - paxRecord('k', '').length) });
  whole.write(text, 512, 'latin1');
  return whole;
}

for (const [what, tar] of Object.entries(REFUSED)) {
  test(`${what} is refused`, () => {
    expect(() => read(tar)).toThrow(expect.objectContaining({ code: 'TAR_INVALID' }));
  });
}
