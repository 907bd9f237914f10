import { describe, expect, test } from 'vitest';
import { planDevices } from '../../../src/mounts/plan-devices.ts';

const OWNED = { type: 'c', path: '/dev/null', major: 1, minor: 3, uid: 1000 } as const;

describe('the devices of a container', () => {
  test('are made by name, with the owner that was asked for', () => {
    const ops = planDevices([OWNED], [{ destination: '/dev', type: 'tmpfs' }], false);
    expect(ops).toContainEqual(expect.objectContaining({ op: 'chown', path: 'null', uid: 1000 }));
  });

  test.each(['/dev', '/dev/', '/x/../dev'])(
    'are left as they are where %s is a directory of the host',
    (destination) => {
      const mounts = [{ destination, source: '/dev', options: ['rbind'] }];
      expect(planDevices([OWNED], mounts, false)).toEqual([]);
      expect(planDevices([OWNED], mounts, true)).toEqual([]);
    },
  );

  test('are made where only something below /dev is of the host', () => {
    const mounts = [{ destination: '/dev/shm', source: '/dev/shm', type: 'bind' }];
    expect(planDevices([], mounts, false).length).toBeGreaterThan(0);
  });
});
