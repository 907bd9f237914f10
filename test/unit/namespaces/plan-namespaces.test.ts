import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import {
  checkNamespaces,
  cloneFlags,
  planChildJoins,
  planIdMaps,
  planJoins,
  planTimeNamespace,
} from '../../../src/namespaces/plan-namespaces.ts';
import type { LinuxSpec, NamespaceSpec, RuntimeSpec } from '../../../src/spec/runtime.ts';

const list = (...types: (NamespaceSpec['type'] | NamespaceSpec)[]): NamespaceSpec[] =>
  types.map((type) => (typeof type === 'string' ? { type } : type));
const ids = [{ containerID: 0, hostID: 100000, size: 65536 }];

function check(linux: LinuxSpec, rest: Partial<RuntimeSpec> = {}): () => void {
  const process = { terminal: false, cwd: '/', args: [], env: [], user: { uid: 0, gid: 0 } };
  return () =>
    checkNamespaces({ ociVersion: '1.3.0', root: { path: 'r' }, process, mounts: [], linux, ...rest });
}

describe('a list of namespaces is refused', () => {
  test.each<[string, LinuxSpec, Partial<RuntimeSpec>, string]>([
    ['with one twice', { namespaces: list('mount', 'pid', 'pid') }, {}, 'the pid namespace is given twice'],
    [
      'with one made and joined',
      { namespaces: list('mount', { type: 'mount', path: '/p' }) },
      {},
      'mount namespace is given twice',
    ],
    [
      'with id maps and no user namespace',
      { namespaces: list('mount'), uidMappings: ids },
      {},
      'need a new user namespace',
    ],
    [
      'with id maps for a user namespace that is joined',
      { namespaces: list('mount', { type: 'user', path: '/p' }), gidMappings: ids },
      {},
      'need a new user namespace',
    ],
    [
      'with a new user namespace and no group map',
      { namespaces: list('mount', 'user'), uidMappings: ids },
      {},
      'needs uidMappings and gidMappings',
    ],
    [
      'with clock offsets and no time namespace',
      { namespaces: list('mount'), timeOffsets: { boottime: { secs: 1 } } },
      {},
      'need a new time namespace',
    ],
    [
      'with a hostname and no uts namespace',
      { namespaces: list('mount') },
      { hostname: 'h' },
      'uts namespace',
    ],
    [
      'with a domainname and no uts namespace',
      { namespaces: list('mount') },
      { domainname: 'd' },
      'uts namespace',
    ],
  ])('%s', (_, linux, rest, message) => {
    expect(check(linux, rest)).toThrow(
      expect.objectContaining({ code: 'BAD_NAMESPACES', message: expect.stringContaining(message) }),
    );
  });

  test.each<[string, LinuxSpec, Partial<RuntimeSpec>]>([
    [
      'all of them made',
      {
        namespaces: list('user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time'),
        uidMappings: ids,
        gidMappings: ids,
        timeOffsets: {},
      },
      { hostname: 'h' },
    ],
    [
      'a joined uts namespace and a hostname',
      { namespaces: list('mount', { type: 'uts', path: '/p' }) },
      { hostname: 'h' },
    ],
  ])('but not %s', (_, linux, rest) => {
    expect(check(linux, rest)).not.toThrow();
  });
});

describe('clone3 gets a bit', () => {
  test.each<[NamespaceSpec['type'], number]>([
    ['user', K.CLONE_NEWUSER],
    ['mount', K.CLONE_NEWNS],
    ['pid', K.CLONE_NEWPID],
    ['network', K.CLONE_NEWNET],
    ['ipc', K.CLONE_NEWIPC],
    ['uts', K.CLONE_NEWUTS],
  ])('for a new %s namespace', (type, flag) => {
    expect(cloneFlags({ namespaces: list(type) })).toBe(flag);
  });

  test('for none that is joined, nor for cgroup and time, which are made at other moments', () => {
    expect(cloneFlags({ namespaces: list({ type: 'pid', path: '/p' }, 'cgroup', 'time') })).toBe(0);
  });
});

test('every joined namespace is opened before any is entered', () => {
  const linux = {
    namespaces: list(
      { type: 'network', path: '/n' },
      { type: 'pid', path: '/p' },
      { type: 'user', path: '/u' },
      { type: 'mount', path: '/m' },
      { type: 'cgroup', path: '/c' },
    ),
  };
  expect(planJoins(linux).map((op) => op.op)).toEqual([
    'open',
    'open',
    'open',
    'open',
    'open',
    'setns',
    'setns',
  ]);
  expect(planChildJoins(linux).map((op) => op.op === 'setns' && op.fd)).toEqual([
    'mount-namespace',
    'cgroup-namespace',
  ]);
});

test('an id map is one write with a line for each range', () => {
  const maps = [...ids, { containerID: 65536, hostID: 5, size: 1 }];
  const [uids, gids] = planIdMaps({ namespaces: list('user'), uidMappings: maps, gidMappings: ids });
  expect(uids).toMatchObject({ op: 'write', path: 'uid_map', data: '0 100000 65536\n65536 5 1\n' });
  expect(gids).toMatchObject({ op: 'write', path: 'gid_map', data: '0 100000 65536\n' });
});

test('clock offsets are written after the time namespace is made and before the clone', () => {
  const timeOffsets = { monotonic: { secs: 5 }, boottime: { secs: -7, nanosecs: 3 } };
  const ops = planTimeNamespace({ namespaces: list('time'), timeOffsets });
  expect(ops.map((op) => op.op)).toEqual(['unshare', 'write']);
  expect(ops[1]).toMatchObject({ data: 'monotonic 5 0\nboottime -7 3\n' });
  expect(planTimeNamespace({ namespaces: [] })).toEqual([]);
});
