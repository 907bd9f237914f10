import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import { type MountOptions, parseMountOptions, propagationFlag } from '../../../src/mounts/options.ts';

const NOTHING: MountOptions = {
  bind: false,
  recursive: false,
  set: 0,
  clear: 0,
  recursiveSet: 0,
  recursiveClear: 0,
  propagation: 0,
  propagationRecursive: false,
  data: [],
};
const RDONLY = K.MOUNT_ATTR_RDONLY;

describe('a mount option', () => {
  test.each<[string, Partial<MountOptions>]>([
    ['ro', { set: RDONLY }],
    ['rw', { clear: RDONLY }],
    ['nosuid', { set: K.MOUNT_ATTR_NOSUID }],
    ['suid', { clear: K.MOUNT_ATTR_NOSUID }],
    ['nodev', { set: K.MOUNT_ATTR_NODEV }],
    ['dev', { clear: K.MOUNT_ATTR_NODEV }],
    ['noexec', { set: K.MOUNT_ATTR_NOEXEC }],
    ['exec', { clear: K.MOUNT_ATTR_NOEXEC }],
    ['nodiratime', { set: K.MOUNT_ATTR_NODIRATIME }],
    ['nosymfollow', { set: K.MOUNT_ATTR_NOSYMFOLLOW }],
    ['noatime', { set: K.MOUNT_ATTR_NOATIME, clear: K.MOUNT_ATTR_ATIME }],
    ['strictatime', { set: K.MOUNT_ATTR_STRICTATIME, clear: K.MOUNT_ATTR_ATIME }],
    ['relatime', { clear: K.MOUNT_ATTR_ATIME }],
    ['rro', { recursiveSet: RDONLY }],
    ['rrw', { recursiveClear: RDONLY }],
    ['rnosuid', { recursiveSet: K.MOUNT_ATTR_NOSUID }],
    ['rnoatime', { recursiveSet: K.MOUNT_ATTR_NOATIME, recursiveClear: K.MOUNT_ATTR_ATIME }],
    ['bind', { bind: true }],
    ['rbind', { bind: true, recursive: true }],
    ['private', { propagation: K.MS_PRIVATE }],
    ['rslave', { propagation: K.MS_SLAVE, propagationRecursive: true }],
    ['rshared', { propagation: K.MS_SHARED, propagationRecursive: true }],
    ['unbindable', { propagation: K.MS_UNBINDABLE }],
    ['defaults', {}],
    ['size=64m', { data: ['size=64m'] }],
    ['mode=1777', { data: ['mode=1777'] }],
    ['sync', { data: ['sync'] }],
  ])('%s', (option, expected) => {
    expect(parseMountOptions([option])).toEqual({ ...NOTHING, ...expected });
  });

  test.each(['constructor', 'toString', '__proto__', 'rconstructor', 'xprivate', 'bshared'])(
    '%s means nothing here, and goes to the file system, which refuses it',
    (option) => {
      expect(parseMountOptions([option])).toEqual({ ...NOTHING, data: [option] });
    },
  );

  test('is overruled by a later one', () => {
    expect(parseMountOptions(['ro', 'rw'])).toMatchObject({ set: 0 });
    expect(parseMountOptions(['rw', 'ro'])).toMatchObject({ set: RDONLY });
    expect(parseMountOptions(['noatime', 'relatime'])).toMatchObject({ set: 0, clear: K.MOUNT_ATTR_ATIME });
    expect(parseMountOptions(['private', 'rshared'])).toMatchObject({
      propagation: K.MS_SHARED,
      propagationRecursive: true,
    });
  });
});

describe('the propagation of a root', () => {
  test.each<[string, ReturnType<typeof propagationFlag>]>([
    ['private', { flag: K.MS_PRIVATE, recursive: false }],
    ['rprivate', { flag: K.MS_PRIVATE, recursive: true }],
    ['rslave', { flag: K.MS_SLAVE, recursive: true }],
    ['shared', { flag: K.MS_SHARED, recursive: false }],
    ['xshared', undefined],
    ['', undefined],
    ['valueOf', undefined],
  ])('%s', (name, expected) => {
    expect(propagationFlag(name)).toEqual(expected);
  });
});
