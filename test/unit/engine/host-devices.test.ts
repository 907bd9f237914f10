import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findDevices, parseDevice } from '../../../src/engine/host-devices.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tsrun-devices-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('--device', () => {
  test.each([
    ['/dev/fuse', '/dev/fuse', '/dev/fuse', 'rwm'],
    ['/dev/fuse:r', '/dev/fuse', '/dev/fuse', 'r'],
    ['/dev/fuse:/dev/f', '/dev/fuse', '/dev/f', 'rwm'],
    ['/dev//fuse:/x/../dev/f/:mw', '/dev/fuse', '/dev/f', 'mw'],
  ])('%s', (text, hostPath, containerPath, access) => {
    expect(parseDevice(text)).toEqual({ hostPath, containerPath, access });
  });

  test.each([
    ['', 'not an absolute path'],
    ['fuse', 'not an absolute path'],
    ['/dev/fuse:fuse', 'not an absolute path'],
    ['/dev/fuse:', 'not an absolute path'],
    ['/dev/fuse:rr', 'not an absolute path'],
    ['/dev/fuse:/dev/fuse:rwx', 'not made of the letters'],
    ['/dev/fuse:/dev/fuse:', 'not made of the letters'],
    ['/dev/fuse:/dev/fuse:r:w', 'not made of the letters'],
    ['/dev/fuse:/', 'the root of the container'],
  ])('%j is refused: %s', (text, reason) => {
    expect(() => parseDevice(text)).toThrow(
      expect.objectContaining({ code: 'BAD_DEVICE', message: expect.stringContaining(reason) }),
    );
  });
});

describe('the device asked for', () => {
  const NULL = { type: 'c', path: '/dev/mine', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 };

  test('is the one at the end of links, with the rule that lets it be used', () => {
    symlinkSync('/dev/null', join(scratch, 'link'));
    const found = findDevices([{ hostPath: join(scratch, 'link'), containerPath: '/dev/mine', access: 'r' }]);
    expect(found).toEqual({
      devices: [NULL],
      rules: [{ allow: true, type: 'c', major: 1, minor: 3, access: 'r' }],
    });
  });

  test('may be all of a directory', () => {
    const { devices, rules } = findDevices([{ hostPath: '/dev', containerPath: '/d', access: 'rw' }]);
    expect(devices).toContainEqual({ ...NULL, path: '/d/null' });
    expect(rules).toContainEqual({ allow: true, type: 'c', major: 1, minor: 3, access: 'rw' });
    expect(rules).toHaveLength(devices.length);
  });

  test('must be one', () => {
    const find = (hostPath: string) => findDevices([{ hostPath, containerPath: '/dev/x', access: 'rwm' }]);
    mkdirSync(join(scratch, 'empty'));
    expect(() => find(join(scratch, 'empty'))).toThrow('the directory holds no device');
    expect(() => find(import.meta.filename)).toThrow('neither a device nor a directory');
    expect(() => find(join(scratch, 'nothing'))).toThrow('it does not exist on the host');
  });
});
