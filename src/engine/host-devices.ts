/** The device nodes of the host: a privileged container gets them all. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceSpec } from '../spec/runtime.ts';

/** File systems of their own below /dev, and names that a container makes itself. */
const NOT_DEVICES = new Set(['pts', 'shm', 'mqueue', 'fd', 'console', 'ptmx', '.udev']);

export function readHostDevices(directory = '/dev'): readonly DeviceSpec[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry): readonly DeviceSpec[] => {
    const path = join(directory, entry.name);
    if (NOT_DEVICES.has(entry.name)) return [];
    if (entry.isDirectory()) return readHostDevices(path);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const { rdev, mode, uid, gid } = lstatSync(path);
    return [
      {
        type: entry.isBlockDevice() ? 'b' : 'c',
        path,
        major: majorOf(rdev),
        minor: minorOf(rdev),
        fileMode: mode & 0o777,
        uid,
        gid,
      },
    ];
  });
}

/** gnu_dev_major, gnu_dev_minor: the layout of st_rdev. makedev(3). */
function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}
