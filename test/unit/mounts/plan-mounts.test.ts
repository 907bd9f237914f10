import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import type { Op } from '../../../src/kernel/ops.ts';
import { planMount } from '../../../src/mounts/plan-mounts.ts';
import type { MountSpec } from '../../../src/spec/runtime.ts';

const plan = (mount: MountSpec): readonly Op[] =>
  planMount(mount, (path) => (path.endsWith('.txt') ? 'file' : 'directory'));
const only = <N extends Op['op']>(ops: readonly Op[], name: N) =>
  ops.filter((op): op is Extract<Op, { op: N }> => op.op === name);

test('a read-only file system is read-only from its first moment, however it is asked for', () => {
  for (const option of ['ro', 'rro']) {
    const ops = plan({ destination: '/t', type: 'tmpfs', options: [option] });
    expect(only(ops, 'fsmount')[0]?.attributes).toBe(K.MOUNT_ATTR_RDONLY);
  }
});

test('a bind mount is made read-only before it is attached', () => {
  const ops = plan({ destination: '/d', source: '/src', options: ['rbind', 'rro'] });
  const names = ops.map((op) => op.op);
  expect(names.indexOf('mount_setattr')).toBeGreaterThan(names.indexOf('open_tree'));
  expect(names.indexOf('mount_setattr')).toBeLessThan(names.indexOf('move_mount'));
  expect(only(ops, 'mount_setattr')[0]).toMatchObject({ flags: K.AT_RECURSIVE, set: K.MOUNT_ATTR_RDONLY });
});

test('an option that was cleared and then set is not cleared', () => {
  const ops = plan({ destination: '/d', source: '/src', options: ['bind', 'rw', 'ro', 'noatime'] });
  expect(only(ops, 'mount_setattr')[0]).toMatchObject({
    set: K.MOUNT_ATTR_RDONLY + K.MOUNT_ATTR_NOATIME,
    clear: K.MOUNT_ATTR_ATIME,
  });
});

describe('the place of a mount', () => {
  const resolveOf = (mount: MountSpec) => only(plan(mount), 'ensure')[0]?.resolve;
  const noLinks = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS;

  test.each(['proc', 'sysfs', 'devpts', 'mqueue', 'cgroup'])('of %s is reached through no link', (type) => {
    expect(resolveOf({ destination: `/${type}`, type })).toBe(noLinks);
  });

  test('of /dev is reached through no link, though it is a tmpfs', () => {
    expect(resolveOf({ destination: '/dev', type: 'tmpfs' })).toBe(noLinks);
  });

  test.each<[string, MountSpec]>([
    ['a tmpfs', { destination: '/var/run', type: 'tmpfs' }],
    ['a bind mount', { destination: '/var/run', source: '/src', options: ['bind'] }],
  ])('of %s may be reached through links, inside the root only', (_, mount) => {
    expect(resolveOf(mount)).toBe(K.RESOLVE_IN_ROOT + K.RESOLVE_NO_MAGICLINKS);
  });

  test('is a file for a file, and a directory for a directory', () => {
    const typeOf = (source: string) =>
      only(plan({ destination: '/x', source, options: ['bind'] }), 'ensure')[0]?.type;
    expect(typeOf('/a.txt')).toBe(K.S_IFREG);
    expect(typeOf('/a')).toBe(K.S_IFDIR);
  });
});

describe('a mount that cannot be planned', () => {
  test('has neither a type nor the option bind', () => {
    expect(() => plan({ destination: '/x' })).toThrow(expect.objectContaining({ code: 'BAD_MOUNT' }));
  });

  test('is a bind without a source', () => {
    expect(() => plan({ destination: '/x', type: 'bind' })).toThrow(
      expect.objectContaining({ code: 'BAD_MOUNT', message: expect.stringContaining('/x') }),
    );
  });
});

test.each(['/proc', '/proc/', '/proc/self/attr', '//proc/sys', '/x/../proc/self'])(
  'nothing is mounted over %s',
  (destination) => {
    expect(() => planMount({ destination, type: 'tmpfs' }, () => 'directory')).toThrow(
      'nothing may lie over /proc',
    );
  },
);

test('the figures of /proc may be replaced, as lxcfs does', () => {
  const mount = { destination: '/proc/meminfo', source: '/var/lib/lxcfs/proc/meminfo', options: ['bind'] };
  expect(planMount(mount, () => 'file').length).toBeGreaterThan(0);
});
