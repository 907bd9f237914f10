/** The native writer against broken batches: each is refused, none crashes the process or leaves the root. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { expect, test } from 'vitest';
import type { ByteString } from '../../src/image/tar/bytes.ts';
import { UNPACK_FIELDS, UNPACK_HEADER_SIZE, UNPACK_RESULT } from '../../src/image/unpack/format.ts';
import { RecordWriter, type UnpackRecord } from '../../src/image/unpack/records.ts';
import { native } from '../../src/kernel/native.ts';
import { temporaryDirectory } from '../support/layers.ts';

const text = (value: string) => value as ByteString;
const attributes = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 1, nanoseconds: 0 },
  xattrs: new Map([[text('user.a'), Buffer.from('b')]]),
};

function encode(...records: UnpackRecord[]): Buffer {
  const batches: Buffer[] = [];
  const writer = new RecordWriter((batch) => batches.push(Buffer.from(batch)));
  for (const record of records) writer.put(record);
  writer.flush();
  return Buffer.concat(batches);
}

/** Runs one batch in `root`. Returns the errno's name, or OK. */
function run(root: string, batch: Uint8Array): string {
  const fd = openSync(root, 'r');
  const handle = native().tsr_unpack_open(fd);
  closeSync(fd);
  const submitted = native().tsr_unpack_submit(handle, batch, batch.length);
  native().tsr_unpack_close(handle, 0);
  const result =
    native().tsr_unpack_finish(handle, Buffer.alloc(UNPACK_RESULT.size), UNPACK_RESULT.size) || submitted;
  return result < 0 ? getSystemErrorName(result) : 'OK';
}

function layout(): { outer: string; root: string } {
  const outer = temporaryDirectory();
  mkdirSync(join(outer, 'root'));
  return { outer, root: join(outer, 'root') };
}

test('a record that names something outside its directory is refused', () => {
  const { outer, root } = layout();
  for (const name of ['..', '.', 'a/b', '']) {
    expect(run(root, encode({ op: 'file', parent: text(''), name: text(name), attributes })), name).toBe(
      'EPROTO',
    );
  }
  for (const parent of ['..', '/', '../root', 'a/../..']) {
    const batch = encode({ op: 'file', parent: text(parent), name: text('x'), attributes });
    expect(['EXDEV', 'ENOENT'], parent).toContain(run(root, batch));
  }
  expect(readdirSync(outer)).toEqual(['root']);
});

test('a symbolic link on the way of a record is an error, whoever made it', () => {
  const { outer, root } = layout();
  mkdirSync(join(outer, 'dir'));
  const none = { ...attributes, xattrs: new Map() };
  const link = {
    op: 'symlink',
    parent: text(''),
    name: text('l'),
    target: text(outer),
    attributes: none,
  } as const;
  expect(run(root, encode(link, { op: 'file', parent: text('l'), name: text('x'), attributes }))).toBe(
    'ENOTDIR',
  );
  expect(run(root, encode({ op: 'file', parent: text('l/dir'), name: text('x'), attributes }))).toBe('ELOOP');
  expect(run(root, encode({ op: 'settle', parent: text(''), name: text('l'), attributes }))).toBe('ENOTDIR');
  expect(existsSync(join(outer, 'x'))).toBe(false);
  expect(readdirSync(join(outer, 'dir'))).toEqual([]);
});

test('every length and offset of a record that is too large or too small is refused', () => {
  const { root } = layout();
  const good = encode({ op: 'file', parent: text('p'), name: text('n'), target: text('t'), attributes });
  for (const field of ['length', 'parentLen', 'nameLen', 'targetLen', 'xattrsLen', 'dataLen'] as const) {
    for (const value of [0xffffffff, 0x7fffffff, good.length + 1, good.length + 8, UNPACK_HEADER_SIZE - 8]) {
      const bad = Buffer.from(good);
      bad.writeUInt32LE(value, UNPACK_FIELDS[field]);
      expect(run(root, bad), `${field} ${value}`).toBe('EPROTO');
    }
  }
  for (let length = 1; length < good.length; length++) {
    expect(run(root, good.subarray(0, length)), `cut to ${length}`).toBe('EPROTO');
  }
});

test('unknown operations, and data without a file, are refused', () => {
  const { root } = layout();
  const bad = encode({ op: 'remove', parent: text(''), name: text('x') });
  bad.writeUInt16LE(999, UNPACK_FIELDS.op);
  expect(run(root, bad)).toBe('EPROTO');
  expect(run(root, encode({ op: 'data', parent: text(''), name: text('') }))).toBe('EPROTO');
  expect(run(root, encode({ op: 'symlink', parent: text(''), name: text('x'), attributes }))).toBe('EPROTO');
});

test('two thousand batches with random damage neither crash nor leave the root', () => {
  const { outer, root } = layout();
  const good = encode(
    { op: 'directory', parent: text(''), name: text('d'), attributes },
    { op: 'file', parent: text('d'), name: text('f'), attributes },
    { op: 'link', parent: text('d'), name: text('g'), target: text('d/f') },
    { op: 'settle', parent: text(''), name: text('d'), attributes },
  );
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % below;
  };
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const bad = Buffer.from(good);
    for (let n = 0; n <= random(3); n++) bad[random(bad.length)] = random(256);
    if (run(root, bad) !== 'OK') refused++;
    native().tsr_remove_tree(join(root, 'd'));
  }
  expect(refused).toBeGreaterThan(500);
  expect(readdirSync(outer)).toEqual(['root']);
});
