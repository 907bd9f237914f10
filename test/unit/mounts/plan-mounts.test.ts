import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import type { Op } from '../../../src/kernel/ops.ts';
import type { BindContext } from '../../../src/mounts/plan-binds.ts';
import { planMount } from '../../../src/mounts/plan-mounts.ts';
import type { MountSpec } from '../../../src/spec/runtime.ts';

const CONTEXT: BindContext = {
  sourceType: (path) => (path.endsWith('.txt') ? 'file' : 'directory'),
  userNamespace: undefined,
  receivesMounts: false,
  childReceivesMounts: false,
  hasHostMounts: false,
};
const planBoth = (mount: MountSpec, context: Partial<BindContext> = {}) =>
  planMount(mount, { ...CONTEXT, ...context }, 'source-0');
const plan = (mount: MountSpec): readonly Op[] => planBoth(mount).child;
const only = <N extends Op['op']>(ops: readonly Op[], name: N) =>
  ops.filter((op): op is Extract<Op, { op: N }> => op.op === name);

test('a read-only file system is read-only from its first moment, however it is asked for', () => {
  for (const option of ['ro', 'rro']) {
    const ops = plan({ destination: '/t', type: 'sysfs', options: [option] });
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

const IDS = { containerID: 0, hostID: 100000, size: 65536 };
const OWN = { uidMappings: [IDS], gidMappings: [IDS] };

describe('a bind mount of a container with a user namespace', () => {
  const mount = { destination: '/d', source: '/src', options: ['rbind', 'ro', 'rprivate'] };

  test('is opened and restricted by the host, which can reach the source', () => {
    const { before, child } = planBoth(mount, { userNamespace: OWN });
    expect(before.map((op) => op.op)).toEqual(['open_tree', 'mount_setattr', 'mount_setattr']);
    expect(before[1]).toMatchObject({ propagation: K.MS_PRIVATE, flags: K.AT_RECURSIVE });
    expect(child.map((op) => op.op)).toEqual(['ensure', 'move_mount', 'mount_setattr']);
    expect(only(child, 'move_mount')[0]?.from).toBe('source-0');
  });

  test('stays a slave of the host where mounts of the host are to be received', () => {
    const { before } = planBoth(mount, { userNamespace: OWN, receivesMounts: true });
    expect(before[1]).toMatchObject({ propagation: K.MS_SLAVE });
  });
});

test('where mounts of the host reach the child, a bind mount that is no slave is cut loose', () => {
  const mount = { destination: '/d', source: '/src', options: ['rbind', 'rslave'] };
  const propagation = (options: readonly string[]) => {
    const { before, child } = planBoth({ ...mount, options }, { childReceivesMounts: true });
    expect(before).toEqual([]);
    return only(child, 'mount_setattr').map((op) => op.propagation);
  };
  expect(propagation(['rbind', 'rslave'])).toEqual([K.MS_SLAVE]);
  expect(propagation(['rbind', 'ro'])).toEqual([K.MS_PRIVATE, 0]);
});

describe('owners of a mount', () => {
  const mount = { destination: '/d', source: '/src', options: ['rbind', 'idmap'] };
  const maps = (ops: readonly Op[]) => only(ops, 'make_userns')[0]?.uidMap;

  test('are those of its own mappings, whatever the user namespace', () => {
    const own = { uidMappings: [{ ...IDS, hostID: 7, size: 1 }], gidMappings: [IDS] };
    expect(maps(planBoth({ ...mount, ...own }, { userNamespace: OWN }).before)).toBe('0 7 1\n');
    expect(maps(planBoth({ ...mount, options: ['bind'], ...own }).before)).toBe('0 7 1\n');
  });

  test('are otherwise those of the user namespace', () => {
    expect(maps(planBoth(mount, { userNamespace: OWN }).before)).toBe('0 100000 65536\n');
    const joined = planBoth(mount, { userNamespace: 'joined' }).before;
    expect(only(joined, 'mount_setattr').at(-1)?.userns).toBe('user-namespace');
  });

  test('are mapped for the mounts below too when ridmap says so', () => {
    const flags = (option: string) =>
      only(
        planBoth({ ...mount, options: ['rbind', option] }, { userNamespace: OWN }).before,
        'mount_setattr',
      ).at(-1)?.flags;
    expect(flags('idmap')).toBe(0);
    expect(flags('ridmap')).toBe(K.AT_RECURSIVE);
  });

  test('cannot be mapped without any mappings, nor those of a new file system', () => {
    expect(() => planBoth(mount)).toThrow('there are no mappings');
    expect(() => planBoth({ destination: '/d', type: 'tmpfs', options: ['idmap'] })).toThrow(
      'it is no bind mount',
    );
  });
});

describe('a tmpfs', () => {
  const names = (options: readonly string[]) =>
    plan({ destination: '/t', type: 'tmpfs', options }).map((op) => op.op);

  test('takes the permissions of what it covers, unless it is given some', () => {
    expect(names([])).toContain('chmod_like');
    expect(names(['mode=700'])).not.toContain('chmod_like');
  });

  test('that copies what it covers becomes read-only after that', () => {
    const ops = names(['tmpcopyup', 'ro']);
    expect(ops.indexOf('mount_setattr')).toBeGreaterThan(ops.indexOf('copy_tree'));
    expect(ops.indexOf('mount_setattr')).toBeLessThan(ops.indexOf('move_mount'));
  });
});

test('an option longer than fsconfig takes goes through mount(2)', () => {
  const lower = `lowerdir=${'/a'.repeat(127)}`;
  const calls = (option: string) =>
    plan({ destination: '/o', type: 'overlay', options: [option] }).map((op) => op.op);
  expect(calls(lower)).toContain('fsconfig');
  expect(calls(`${lower}:/b`)).toEqual(['ensure', 'fchdir', 'mount', 'ensure']);
});

test('what is mounted already is changed by remount', () => {
  const calls = (options: readonly string[]) => plan({ destination: '/r', options }).map((op) => op.op);
  expect(calls(['remount', 'bind', 'ro'])).toEqual(['ensure', 'mount_setattr']);
  expect(calls(['remount', 'size=1m'])).toEqual(['ensure', 'fspick', 'fsconfig', 'fsconfig']);
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
    expect(() => plan({ destination, type: 'tmpfs' })).toThrow('nothing may lie over /proc');
  },
);

test('the figures of /proc may be replaced, as lxcfs does', () => {
  const mount = { destination: '/proc/meminfo', source: '/var/lib/lxcfs/proc/meminfo', options: ['bind'] };
  expect(plan(mount).length).toBeGreaterThan(0);
});
