/**
 * Layers that were made to do harm, or to be misread: each with what must come of it. Written byte by byte by raw-tar.ts,
 * so that headers can be malformed. Tests run them as images through every door by which layers come in.
 */
import { gzipSync } from 'node:zlib';
import {
  base256,
  dir,
  file,
  gnuLong,
  hardlink,
  paxHeader,
  type RawEntry,
  rawEntry,
  rawTar,
  symlink,
  whiteout,
} from './raw-tar.ts';

type Layer = readonly RawEntry[] | Buffer;

export type HostileCase = {
  /** Lowest first. `victim`: a directory of the host with the file `secret`, which nothing may reach. */
  readonly layers: (victim: string) => readonly Layer[];
  /** How the layers are packed; plain when not given. */
  readonly pack?: (tar: Buffer) => Buffer;
} & (
  | { /** The message says this. */ readonly refused: RegExp }
  | {
      /** What a container sees, one line for each path: see `seen` in the test. */
      readonly seen: readonly string[];
    }
);

const only =
  (...entries: RawEntry[]) =>
  () => [entries];
const stack =
  (...layers: Layer[]) =>
  () =>
    layers;

const UID = 108;
const SIZE = 124;
const MTIME = 136;
const LOWER = [dir('d'), file('d/a', 'a'), file('d/b', 'b'), file('f', 'f')];

export const NAMES: Readonly<Record<string, HostileCase>> = {
  'a name that is ..': { layers: only(dir('..')), refused: /ends with "\.\."/ },
  'a name that ends with ..': { layers: only(dir('a'), dir('a/..')), refused: /ends with "\.\."/ },
  'a climb out of the root': { layers: only(file('../../../../x')), seen: ['- x data'] },
  'a climb in the middle': { layers: only(dir('a'), file('a/../../../x')), seen: ['d a', '- x data'] },
  'an absolute name': { layers: only(file('/etc/x')), seen: ['d etc', '- etc/x data'] },
  'a parent that links to the host': {
    layers: (victim) => [[symlink('l', victim), file('l/secret', 'evil')]],
    seen: ['- HOST/secret evil', 'd HOST', 'l l -> HOST'],
  },
  'a parent that links out by climbing': {
    layers: only(symlink('l', '../../../../x'), file('l/y')),
    seen: ['l l -> ../../../../x', 'd x', '- x/y data'],
  },
  'a parent that is a link of a lower layer': {
    layers: stack([dir('run'), dir('old'), symlink('old/run', '/run')], [file('old/run/pid', '1')]),
    seen: ['d run', '- run/pid 1', 'd old', 'l old/run -> /run'],
  },
  'a link to itself on the way': {
    layers: only(symlink('l', 'l'), file('l/x')),
    refused: /too many symbolic links \(ELOOP\)/,
  },
  'a chain of 45 links on the way': {
    layers: only(...Array.from({ length: 45 }, (_, i) => symlink(`l${i}`, `l${i + 1}`)), file('l0/x')),
    refused: /too many symbolic links \(ELOOP\)/,
  },
  'a root that is a link': { layers: only(symlink('./', '/etc')), refused: /root.*is not a directory/ },
  'a root that is a file': {
    layers: only({ name: '.', data: 'x' }),
    refused: /root.*is not a directory/,
  },
  'no name': { layers: only(file('')), refused: /without a name/ },
  'a name of 256 bytes': {
    layers: only(file('x', '', { pax: { path: 'n'.repeat(256) } })),
    refused: /ENAMETOOLONG/,
  },
  'a path of 4096 bytes': {
    layers: only(file('x', '', { pax: { path: `${'d/'.repeat(2047)}ff` } })),
    refused: /ENAMETOOLONG/,
  },
  'bytes that are no text': {
    layers: only(file(Buffer.from([0xff, 0x0a, 0x1b, 0x5b]), 'x'), file('__proto__', 'p')),
    seen: ['- __proto__ p', '- \\xff\\x0a\\x1b[ x'],
  },
  'long names by GNU and by PAX': {
    layers: () => [
      Buffer.concat([
        gnuLong('L', `${'g/'.repeat(100)}end`),
        rawEntry(file('short', 'gnu')),
        rawTar([file('short', 'pax', { pax: { path: `p/${'x'.repeat(200)}` } })]),
      ]),
    ],
    seen: [
      ...Array.from(
        { length: 100 },
        (_, i) =>
          `d ${Array(i + 1)
            .fill('g')
            .join('/')}`,
      ),
      `- ${'g/'.repeat(100)}end gnu`,
      'd p',
      `- p/${'x'.repeat(200)} pax`,
    ],
  },
};

export const HARD_LINKS: Readonly<Record<string, HostileCase>> = {
  'to a file of the host': {
    layers: (victim) => [[hardlink('x', `${victim}/secret`)]],
    refused: /does not exist/,
  },
  'to a file of the host, by climbing': {
    layers: only(hardlink('x', '../../../../../../etc/passwd')),
    refused: /does not exist/,
  },
  'to a file of the host, through a link': {
    layers: (victim) => [[symlink('l', victim), hardlink('x', 'l/secret')]],
    refused: /does not exist/,
  },
  'to nothing': { layers: only(hardlink('x', 'missing')), refused: /does not exist/ },
  'to a later entry': { layers: only(hardlink('x', 'y'), file('y')), refused: /does not exist/ },
  'to itself': { layers: only(file('x'), hardlink('x', 'x')), refused: /is the link itself/ },
  'to a directory': { layers: only(dir('d'), hardlink('x', 'd')), refused: /is a directory/ },
  'to a directory of a lower layer': {
    layers: stack(LOWER, [hardlink('x', 'd')]),
    refused: /is a directory/,
  },
  'to the root': { layers: only(hardlink('x', '/')), refused: /hard link has the target/ },
  'to a file that the layer whites out': {
    layers: stack(LOWER, [whiteout('.wh.f'), hardlink('x', 'f')]),
    refused: /does not exist/,
  },
  'to a file that the layer whites out afterwards': {
    layers: stack(LOWER, [hardlink('x', 'f'), whiteout('.wh.f')]),
    refused: /which the layer removes/,
  },
  'by an absolute target': {
    layers: only(file('f', 'f'), hardlink('x', '/f')),
    seen: ['- f f', '- x f'],
  },
  'to a file of a lower layer': {
    layers: stack(LOWER, [hardlink('x', 'f')]),
    seen: ['d d', '- d/a a', '- d/b b', '- f f', '- x f'],
  },
  'to a symbolic link': {
    layers: (victim) => [[symlink('l', `${victim}/secret`), hardlink('x', 'l')]],
    seen: ['l l -> HOST/secret', 'l x -> HOST/secret'],
  },
};

export const WHITEOUTS: Readonly<Record<string, HostileCase>> = {
  'of nothing': { layers: only(whiteout('.wh.')), refused: /names nothing/ },
  'of .': { layers: only(whiteout('.wh..')), refused: /names nothing/ },
  'of ..': { layers: only(whiteout('.wh...')), refused: /names nothing/ },
  'as a directory on the way': { layers: only(file('.wh.d/x')), refused: /reserved for whiteouts/ },
  'before the file that replaces it': {
    layers: stack(LOWER, [whiteout('.wh.f'), file('f', 'new')]),
    seen: ['d d', '- d/a a', '- d/b b', '- f new'],
  },
  'after the file that replaces it': {
    layers: stack(LOWER, [file('f', 'new'), whiteout('.wh.f')]),
    seen: ['d d', '- d/a a', '- d/b b', '- f new'],
  },
  'of a directory that is made again': {
    layers: stack(LOWER, [whiteout('.wh.d'), dir('d'), file('d/n', 'n')]),
    seen: ['d d', '- d/n n', '- f f'],
  },
  'that makes the root opaque': {
    layers: stack(LOWER, [whiteout('.wh..wh..opq'), file('n', 'n')]),
    seen: ['- n n'],
  },
  'inside an opaque directory': {
    layers: stack(LOWER, [dir('d'), whiteout('d/.wh..wh..opq'), whiteout('d/.wh.a'), file('d/n', 'n')]),
    seen: ['d d', '- d/n n', '- f f'],
  },
  'of something that is not there': {
    layers: only(whiteout('.wh.nothing'), file('n', 'n')),
    seen: ['- n n'],
  },
  'through a link to the host': {
    layers: (victim) => [LOWER, [symlink('l', victim), whiteout('l/.wh.secret')]],
    seen: ['d d', '- d/a a', '- d/b b', '- f f', 'l l -> HOST'],
  },
  'that aufs left behind': {
    layers: only(dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('n', 'n')),
    seen: ['- n n'],
  },
  'as a device 0:0': {
    layers: stack(LOWER, [{ name: 'f', type: '3', major: 0, minor: 0 }]),
    refused: /overlayfs takes for a whiteout/,
  },
  'as an attribute of overlayfs': {
    layers: stack(LOWER, [
      dir('d', {
        pax: {
          'SCHILY.xattr.trusted.overlay.opaque': 'y',
          'SCHILY.xattr.user.overlay.opaque': 'y',
          'SCHILY.xattr.trusted.overlay.redirect': '/etc',
        },
      }),
    ]),
    seen: ['d d', '- d/a a', '- d/b b', '- f f'],
  },
};

export const TYPES: Readonly<Record<string, HostileCase>> = {
  'a file that becomes a directory': {
    layers: only(file('x'), dir('x'), file('x/y', 'y')),
    seen: ['d x', '- x/y y'],
  },
  'a directory that becomes a file': {
    layers: only(dir('x'), file('x/y'), file('x', 'now')),
    seen: ['- x now'],
  },
  'a directory that becomes a link to the host, and is written to': {
    layers: (victim) => [[dir('x'), symlink('x', victim), file('x/secret', 'evil')]],
    seen: ['- HOST/secret evil', 'd HOST', 'l x -> HOST'],
  },
  'a link to the host that becomes a file': {
    layers: (victim) => [[symlink('x', `${victim}/secret`), file('x', 'now')]],
    seen: ['- x now'],
  },
  'a parent that is a file': { layers: only(file('x'), file('x/y', 'y')), seen: ['d x', '- x/y y'] },
  'a parent that is a file of a lower layer': {
    layers: stack(LOWER, [file('f/y', 'y')]),
    seen: ['d d', '- d/a a', '- d/b b', 'd f', '- f/y y'],
  },
  'the same name twice': { layers: only(file('x', 'one'), file('x', 'two')), seen: ['- x two'] },
  'a FIFO and devices': {
    layers: only(
      { name: 'p', type: '6' },
      { name: 'c', type: '3', major: 1, minor: 3 },
      { name: 'b', type: '4', major: 7, minor: 1 },
    ),
    seen: ['b b 7:1', 'c c 1:3', 'p p'],
  },
  'an unknown type': { layers: only({ name: 'x', type: 'Z' }), refused: /unknown type "Z"/ },
  'a socket, as some tars write it': { layers: only({ name: 'x', type: 's' }), refused: /unknown type "s"/ },
  'a contiguous file': { layers: only({ name: 'x', type: '7', data: 'x' }), seen: ['- x x'] },
  'a GNU sparse file': { layers: only({ name: 'x', type: 'S' }), refused: /sparse/ },
  'a PAX sparse file': {
    layers: only(file('x', 'x', { pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' } })),
    refused: /sparse/,
  },
};

export const NUMBERS: Readonly<Record<string, HostileCase>> = {
  'uid 2^31': {
    layers: only(file('x', 'x', { patch: { [UID]: base256(2n ** 31n, 8) } })),
    seen: ['- x x 644 2147483648:0'],
  },
  'uid 2^32-1': { layers: only(file('x', 'x', { pax: { uid: '4294967295' } })), refused: /uid 4294967295/ },
  'uid 2^32': { layers: only(file('x', 'x', { pax: { uid: '4294967296' } })), refused: /uid 4294967296/ },
  'uid -1': { layers: only(file('x', 'x', { pax: { uid: '-1' } })), refused: /uid -1/ },
  'a uid that is a word': { layers: only(file('x', 'x', { patch: { [UID]: 'root\0' } })), refused: /uid/ },
  'gid -1 in base 256': {
    layers: only(file('x', 'x', { patch: { 116: base256(-1n, 8) } })),
    refused: /gid/,
  },
  'a time before 1970': {
    layers: only(file('x', 'x', { patch: { [MTIME]: base256(-5n) } })),
    seen: ['- x x'],
  },
  'a time of 10^20': {
    layers: only(file('x', 'x', { pax: { mtime: '100000000000000000000' } })),
    refused: /mtime/,
  },
  'a size of 2^62': {
    layers: only(file('x', 'x', { patch: { [SIZE]: base256(2n ** 62n) } })),
    refused: /size/,
  },
  'a negative size': { layers: only(file('x', 'x', { patch: { [SIZE]: base256(-1n) } })), refused: /size/ },
  'a size of 1 PiB': {
    layers: only(file('x', 'x', { patch: { [SIZE]: base256(2n ** 50n) } })),
    refused: /have more than .* bytes/,
  },
  'a size by PAX that wins': {
    layers: only(file('x', 'abc', { size: 1, pax: { size: '3' } })),
    seen: ['- x abc'],
  },
  'set-id bits of another owner': {
    layers: only(file('x', 'x', { mode: 0o6755, uid: 5, gid: 6 })),
    seen: ['- x x 6755 5:6'],
  },
  'mode bits above 07777': { layers: only(file('x', 'x', { mode: 0o177644 })), seen: ['- x x 7644 0:0'] },
  'a device number out of range': {
    layers: only({ name: 'x', type: '3', patch: { 329: base256(2n ** 40n, 8) } }),
    refused: /device major/,
  },
};

export const STREAMS: Readonly<Record<string, HostileCase>> = {
  'a wrong checksum': { layers: only({ name: 'x', badChecksum: true }), refused: /wrong checksum/ },
  'a PAX header above 1 MiB': {
    layers: () => [Buffer.concat([paxHeader({ comment: 'x'.repeat(2 ** 20) }), rawTar([file('x')])])],
    refused: /extended header has/,
  },
  'a PAX header that is cut off': {
    layers: () => [paxHeader({ path: 'x' }).subarray(0, 700)],
    refused: /cut off/,
  },
  'an attribute with a NUL in its name': {
    layers: only(file('x', 'x', { pax: { 'SCHILY.xattr.user.a\0b': 'v' } })),
    refused: /NUL byte/,
  },
  'an attribute above 64 KiB': {
    layers: only(file('x', 'x', { pax: { 'SCHILY.xattr.user.a': Buffer.alloc(65537) } })),
    refused: /E2BIG/,
  },
  'an end in the middle of a file': {
    layers: () => [rawTar([file('x', 'y'.repeat(3000))]).subarray(0, 1024)],
    refused: /cut off/,
  },
  'several gzip members': {
    layers: only(file('x', 'one'), file('y', 'two')),
    pack: (tar) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
    seen: ['- x one', '- y two'],
  },
  'a gzip member that is cut off': {
    layers: only(file('x', 'one')),
    pack: (tar) => gzipSync(tar).subarray(0, -5),
    refused: /Cannot uncompress the gzip stream/,
  },
  'a gzip member with a wrong checksum': {
    layers: only(file('x', 'one')),
    pack: (tar) => {
      const packed = gzipSync(tar);
      packed.writeUInt32LE(0, packed.length - 8);
      return packed;
    },
    refused: /Cannot uncompress the gzip stream/,
  },
  'rubbish behind its end': {
    layers: () => [Buffer.concat([rawTar([file('x', 'one')]), Buffer.from('../../etc/passwd'.repeat(64))])],
    seen: ['- x one'],
  },
};
