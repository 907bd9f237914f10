import { describe, expect, test } from 'vitest';
import { planDevices } from '../../../src/mounts/plan-devices.ts';
import type { MountSpec } from '../../../src/spec/runtime.ts';

const OWNED = { type: 'c', path: '/dev/null', major: 1, minor: 3, uid: 1000 } as const;

const ONE = { containerID: 0, hostID: 100, size: 11 };
const IDS = { uidMappings: [ONE], gidMappings: [ONE] };

describe('the devices of a container', () => {
  test('are made by name, with the owner that was asked for', () => {
    const { child } = planDevices([OWNED], [{ destination: '/dev', type: 'tmpfs' }], undefined);
    expect(child).toContainEqual(expect.objectContaining({ op: 'chown', path: 'null', uid: 1000 }));
  });

  test.each(['/dev', '/dev/', '/x/../dev'])(
    'are left as they are where %s is a directory of the host',
    (destination) => {
      const mounts = [{ destination, source: '/dev', options: ['rbind'] }];
      expect(planDevices([OWNED], mounts, undefined)).toEqual({ before: [], child: [] });
      expect(planDevices([OWNED], mounts, IDS)).toEqual({ before: [], child: [] });
    },
  );

  test('may be there already in a directory of the root, when they are the same', () => {
    const calls = (mounts: readonly MountSpec[]) =>
      planDevices([], mounts, undefined)
        .child.slice(1, 4)
        .map(({ op, tolerate }) => [op, tolerate]);
    const used = [
      ['mknod', ['EEXIST']],
      ['open', undefined],
      ['check_device', undefined],
    ];
    expect(calls([])).toEqual(used);
    expect(calls([{ destination: '/dev', type: 'tmpfs', options: ['tmpcopyup'] }])).toEqual(used);
    expect(calls([{ destination: '/dev/', type: 'tmpfs' }])).toEqual(Array(3).fill(['mknod', undefined]));
  });

  test('are not two at one place', () => {
    const other = { ...OWNED, path: '/dev/./null', minor: 5 };
    expect(() => planDevices([OWNED, other], [], undefined)).toThrow('two are asked for there');
    expect(() => planDevices([OWNED, { ...OWNED, uid: 3 }], [], undefined)).not.toThrow();
  });

  test('are made where only something below /dev is of the host', () => {
    const mounts = [{ destination: '/dev/shm', source: '/dev/shm', type: 'bind' }];
    expect(planDevices([], mounts, undefined).child.length).toBeGreaterThan(0);
  });

  test('are made outside for a user namespace, with owners as they are there', () => {
    const loop = { type: 'b', path: '/dev/sub/disk', major: 7, minor: 3, uid: 10, fileMode: 0o640 } as const;
    const { before, child } = planDevices([loop], [], IDS);
    expect(before.map(({ op }) => op)).toEqual([
      'mkdir',
      'mknod',
      'chmod',
      'chown',
      'open_tree',
      'mount_setattr',
      'mount_setattr',
    ]);
    expect(before[3]).toMatchObject({ uid: 110, gid: 100 });
    expect(child.some(({ op }) => op === 'mknod')).toBe(false);
    expect(() => planDevices([{ ...loop, uid: 11 }], [], IDS)).toThrow('the user namespace has no id 11');
    expect(planDevices([loop], [], 'joined').before).toEqual([]);
  });
});
