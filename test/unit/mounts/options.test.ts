import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import { type MountOptions, parseMountOptions, propagationFlag } from '../../../src/mounts/options.ts';

const NOTHING: MountOptions = {
  bind: false,
  recursive: false,
  remount: false,
  set: 0,
  clear: 0,
  recursiveSet: 0,
  recursiveClear: 0,
  propagation: [],
  idmap: 'none',
  copyUp: false,
  superblock: [],
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
    ['private', { propagation: [{ flag: K.MS_PRIVATE, recursive: false }] }],
    ['rslave', { propagation: [{ flag: K.MS_SLAVE, recursive: true }] }],
    ['rshared', { propagation: [{ flag: K.MS_SHARED, recursive: true }] }],
    ['unbindable', { propagation: [{ flag: K.MS_UNBINDABLE, recursive: false }] }],
    ['remount', { remount: true }],
    ['idmap', { idmap: 'mount' }],
    ['ridmap', { idmap: 'tree' }],
    ['tmpcopyup', { copyUp: true }],
    ['atime', { clear: K.MOUNT_ATTR_ATIME }],
    ['ratime', { recursiveClear: K.MOUNT_ATTR_ATIME }],
    ['rstrictatime', { recursiveSet: K.MOUNT_ATTR_STRICTATIME, recursiveClear: K.MOUNT_ATTR_ATIME }],
    ['rnostrictatime', { recursiveClear: K.MOUNT_ATTR_ATIME }],
    ['rrelatime', { recursiveClear: K.MOUNT_ATTR_ATIME }],
    ['rnodiratime', { recursiveSet: K.MOUNT_ATTR_NODIRATIME }],
    ['rnosymfollow', { recursiveSet: K.MOUNT_ATTR_NOSYMFOLLOW }],
    ['rsuid', { recursiveClear: K.MOUNT_ATTR_NOSUID }],
    ['sync', { superblock: ['sync'] }],
    ['dirsync', { superblock: ['dirsync'] }],
    ['lazytime', { superblock: ['lazytime'] }],
    ['mand', { superblock: ['mand'] }],
    ...'defaults async norelatime rnorelatime silent loud iversion noiversion nolazytime nomand'
      .split(' ')
      .map((name): [string, Partial<MountOptions>] => [name, {}]),
    ...['auto', 'noauto', 'nofail', '_netdev', 'x-systemd.automount'].map(
      (name): [string, Partial<MountOptions>] => [name, {}],
    ),
    ['size=64m', { data: ['size=64m'] }],
    ['mode=1777', { data: ['mode=1777'] }],
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
    expect(parseMountOptions(['sync', 'async'])).toMatchObject({ superblock: [] });
    expect(parseMountOptions(['noatime', 'atime'])).toMatchObject({ set: 0 });
  });

  test('leaves alone what it is not the opposite of', () => {
    expect(parseMountOptions(['strictatime', 'atime'])).toMatchObject({ set: K.MOUNT_ATTR_STRICTATIME });
    expect(parseMountOptions(['noatime', 'nostrictatime'])).toMatchObject({ set: K.MOUNT_ATTR_NOATIME });
  });

  test('of propagation comes in its turn: a slave can be made shared too', () => {
    expect(parseMountOptions(['rslave', 'shared']).propagation).toEqual([
      { flag: K.MS_SLAVE, recursive: true },
      { flag: K.MS_SHARED, recursive: false },
    ]);
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
