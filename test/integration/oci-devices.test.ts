/** Device nodes in a user namespace, which can make none itself. config-linux.md, Devices. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useOci } from '../support/oci.ts';

const oci = useOci();
const ids = [{ containerID: 0, hostID: 0, size: 65_536 }];
const linux = {
  namespaces: ['pid', 'mount', 'user', 'ipc', 'uts', 'network'].map((type) => ({ type })),
  uidMappings: ids,
  gidMappings: ids,
};
const devices = [
  // At this path the host has nothing, or something else.
  { type: 'c', path: '/dev/sub/nothing', major: 1, minor: 3, uid: 10, gid: 11, fileMode: 0o622 },
  { type: 'c', path: '/dev/full', major: 1, minor: 5 },
];

test('have their numbers, permissions and owners, whatever the host has at their place, and work', () => {
  const script =
    'busybox stat -c "%t:%T %a %u:%g" /dev/sub/nothing /dev/full; echo x >/dev/sub/nothing && echo works';
  const bundle = oci.bundle({ args: ['sh', '-c', script], linux: { ...linux, devices } });
  expect(oci.ok('run', '-b', bundle, 'a1')).toBe('1:3 622 10:11\n1:5 666 0:0\nworks\n');
});

test('are made where nobody else finds them', () => {
  const bundle = oci.bundle({ args: ['sleep', '100'], linux: { ...linux, devices } });
  oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, 'b1');
  expect(statSync(join(oci.root, 'b1/devices')).mode & 0o777).toBe(0o700);
  oci.ok('delete', '-f', 'b1');
});

test('of somebody whom the user namespace has not are refused', () => {
  const foreign = devices.map((device) => ({ ...device, uid: 70_000 }));
  const bundle = oci.bundle({ args: ['true'], linux: { ...linux, devices: foreign } });
  expect(oci.run('run', '-b', bundle, 'c1')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(': the user namespace has no id 70000'),
  });
});
