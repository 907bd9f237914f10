/** What is refused before anything of a container is made. */
import { expect, test } from 'vitest';
import { containerSpec } from '../../../src/engine/container-spec.ts';
import { type ContainerId, hostPath } from '../../../src/lib/brands.ts';
import type { MountSpec } from '../../../src/spec/runtime.ts';
import { DEFAULT_OPTIONS } from '../../support/container-options.ts';
import { HOST } from '../../support/sample-plans.ts';

const user = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
const specWith = (mounts: readonly MountSpec[], image = {}) =>
  containerSpec({
    id: 'ID' as ContainerId,
    options: { ...DEFAULT_OPTIONS, command: ['true'], mounts },
    image,
    user,
    hostname: 'box',
    dir: hostPath('/data/containers/ID'),
    host: HOST,
  });

test('two mounts at one place are refused, for one would hide the other', () => {
  const mount = { destination: '/x', type: 'tmpfs' };
  expect(() => specWith([mount, { destination: '/y', type: 'tmpfs' }, mount])).toThrow(
    'Cannot mount two things at /x',
  );
});

test('a mount of the user takes the place of the standard one there', () => {
  const shm = specWith([{ destination: '/dev/shm', type: 'tmpfs', source: 'mine' }]).mounts.filter(
    (mount) => mount.destination === '/dev/shm',
  );
  expect(shm.map((mount) => mount.source)).toEqual(['mine']);
});

test('an environment entry of the image without a value takes none of the host', () => {
  const { env } = specWith([], { Env: ['PATH', 'A=', 'B=b', '=C'] }).process;
  expect(env).not.toContain('PATH');
  expect(env).toEqual(expect.arrayContaining(['A=', 'B=b']));
  expect(env.filter((entry) => entry.startsWith('='))).toEqual([]);
});
