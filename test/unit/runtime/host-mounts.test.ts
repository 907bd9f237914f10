/** Which mount at the root of a container is its own: what an engine has mounted there is not taken away. */
import { expect, test } from 'vitest';
import { coversItself } from '../../../src/runtime/bundle/host-mounts.ts';

const ROOT = '25 1 8:1 / / rw - ext4 /dev/sda1 rw';
const DATA = '30 25 8:2 / /var rw - ext4 /dev/sda2 rw';
const OVERLAY = '40 30 0:50 / /var/c/rootfs rw - overlay overlay rw';

test.each<[string, readonly string[], string, boolean]>([
  ['a directory over itself', [ROOT, '40 25 8:1 /c/rootfs /c/rootfs rw - ext4 x rw'], '/c/rootfs', true],
  [
    'on another disk',
    [ROOT, DATA, '40 30 8:2 /c/rootfs /var/c/rootfs rw - ext4 x rw'],
    '/var/c/rootfs',
    true,
  ],
  [
    'over the mount of an engine',
    [ROOT, DATA, OVERLAY, '41 40 0:50 / /var/c/rootfs rw - overlay x rw'],
    '/var/c/rootfs',
    true,
  ],
  ['with a space', [ROOT, '40 25 8:1 /a\\040b /a\\040b rw - ext4 x rw'], '/a b', true],
  ['nothing', [ROOT], '/c/rootfs', false],
  ['the mount of an engine alone', [ROOT, DATA, OVERLAY], '/var/c/rootfs', false],
  ['another directory', [ROOT, '40 25 8:1 /d /c/rootfs rw - ext4 x rw'], '/c/rootfs', false],
])('%s', (_, lines, path, expected) => {
  expect(coversItself(lines.join('\n'), path)).toBe(expected);
});
