/** Device nodes of the host that a container gets: those it asks for, or all of them when it is privileged. */
import { lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import { errnoOf, reasonOf, TsrunError } from '../lib/errors.ts';
import type { DeviceRule, DeviceSpec } from '../spec/runtime.ts';

/** What `--device` asks for. */
export interface DeviceRequest {
  /** A device node of the host, a link to one, or a directory that holds some. */
  readonly hostPath: string;
  readonly containerPath: string;
  /** Letters of r (read), w (write) and m (mknod). */
  readonly access: string;
}

/** Docker's `HOST[:CONTAINER][:rwm]`. */
export function parseDevice(text: string): DeviceRequest {
  const refuse = (why: string, hint?: string) =>
    new TsrunError(
      'BAD_DEVICE',
      `Cannot read --device ${JSON.stringify(text)}: ${why}`,
      hint === undefined ? {} : { hint },
    );
  const [host = '', ...others] = text.split(':');
  const last = others.at(-1);
  const access = last !== undefined && isAccess(last) ? last : undefined;
  const [container = host, ...more] = access === undefined ? others : others.slice(0, -1);
  if (more.length > 0)
    throw refuse(
      `${JSON.stringify(last)} is not made of the letters r, w and m`,
      'such as /dev/fuse:/dev/fuse:rw',
    );
  for (const path of [host, container]) {
    if (!path.startsWith('/')) throw refuse(`${JSON.stringify(path)} is not an absolute path`);
  }
  const containerPath = posix.normalize(container).replace(/(.)\/$/, '$1');
  if (containerPath === '/') throw refuse('the root of the container cannot be a device');
  return { hostPath: posix.normalize(host), containerPath, access: access ?? 'rwm' };
}

/** Each of the letters at most once, in any order. */
function isAccess(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

export interface FoundDevices {
  readonly devices: readonly DeviceSpec[];
  /** Lets the container use them. */
  readonly rules: readonly DeviceRule[];
}

/** Throws `NO_DEVICE` for a path that leads to no device. */
export function findDevices(requests: readonly DeviceRequest[]): FoundDevices {
  const found = requests.flatMap((request) =>
    devicesAt(request).map((device) => ({ device, access: request.access })),
  );
  return {
    devices: found.map(({ device }) => device),
    rules: found.map(({ device: { type, major, minor }, access }) => ({
      allow: true,
      type: type === 'b' ? 'b' : 'c',
      ...(major === undefined ? {} : { major }),
      ...(minor === undefined ? {} : { minor }),
      access,
    })),
  };
}

function devicesAt({ hostPath, containerPath }: DeviceRequest): readonly DeviceSpec[] {
  const { path, stats } = lookAt(hostPath);
  const own = deviceOf(containerPath, stats);
  if (own !== undefined) return [own];
  if (!stats.isDirectory()) throw noDevice(hostPath, 'it is neither a device nor a directory of devices');
  const inside = readHostDevices(path).map((device) => ({
    ...device,
    path: posix.join(containerPath, posix.relative(path, device.path)),
  }));
  if (inside.length === 0) throw noDevice(hostPath, 'the directory holds no device');
  return inside;
}

function lookAt(hostPath: string): { readonly path: string; readonly stats: Stats } {
  try {
    const path = realpathSync(hostPath);
    return { path, stats: lstatSync(path) };
  } catch (cause) {
    throw noDevice(
      hostPath,
      errnoOf(cause) === 'ENOENT' ? 'it does not exist on the host' : reasonOf(cause),
      cause,
    );
  }
}

function noDevice(path: string, why: string, cause?: unknown): TsrunError {
  return new TsrunError('NO_DEVICE', `Cannot give the container the device ${path}: ${why}`, {
    hint: 'correct the path after --device; ls -l shows a device with c or b in front',
    cause,
  });
}

/** File systems of their own below /dev, and names that a container makes itself. */
const NOT_DEVICES = new Set(['pts', 'shm', 'mqueue', 'fd', 'console', 'ptmx', '.udev']);

/** Every device node below a directory. */
export function readHostDevices(directory = '/dev'): readonly DeviceSpec[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry): readonly DeviceSpec[] => {
    const path = join(directory, entry.name);
    if (NOT_DEVICES.has(entry.name)) return [];
    if (entry.isDirectory()) return readHostDevices(path);
    const device = deviceOf(path, lstatSync(path));
    return device === undefined ? [] : [device];
  });
}

function deviceOf(path: string, stats: Stats): DeviceSpec | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  const { rdev, mode, uid, gid } = stats;
  const type = stats.isBlockDevice() ? 'b' : 'c';
  return { type, path, ...deviceNumberOf(rdev), fileMode: mode & 0o777, uid, gid };
}

/** gnu_dev_major, gnu_dev_minor: the layout of st_rdev. makedev(3). */
export function deviceNumberOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
