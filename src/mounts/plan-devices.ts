/** /dev: a handful of harmless device nodes and links, made for this container. */
import { posix } from 'node:path';
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import { isBind } from '../spec/mount.ts';
import type { DeviceSpec, MountSpec } from '../spec/runtime.ts';
import { IN_ROOT, NO_LINKS } from './place.ts';
import type { MountPlan, UserNamespace } from './plan-binds.ts';
import { LENT_DEVICES, lendHostDevice, lendOwnDevice } from './plan-lent-devices.ts';

/** The devices every container has. OCI Runtime Specification, config-linux, Default Devices. */
export const DEFAULT_DEVICES: readonly DeviceSpec[] = [
  { type: 'c', path: '/dev/null', major: 1, minor: 3 },
  { type: 'c', path: '/dev/zero', major: 1, minor: 5 },
  { type: 'c', path: '/dev/full', major: 1, minor: 7 },
  { type: 'c', path: '/dev/random', major: 1, minor: 8 },
  { type: 'c', path: '/dev/urandom', major: 1, minor: 9 },
  { type: 'c', path: '/dev/tty', major: 5, minor: 0 },
];

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
];

const FILE_TYPES = { c: K.S_IFCHR, u: K.S_IFCHR, b: K.S_IFBLK, p: K.S_IFIFO } as const;

/**
 * In a user namespace mknod is not allowed, but of pipes: nodes are lent there, the usual ones and those of a namespace that others
 * made from the host's /dev. Where `/dev` is a directory of the host, everything is left as it is: nodes and links would be made on the
 * host, or change their owners there.
 */
export function planDevices(
  devices: readonly DeviceSpec[],
  mounts: readonly MountSpec[],
  userNamespace: UserNamespace | undefined,
): MountPlan {
  if (mounts.some((mount) => isBind(mount) && posix.resolve('/', mount.destination) === '/dev'))
    return { before: [], child: [] };
  checkPaths(devices);
  const wanted = new Map([...DEFAULT_DEVICES, ...devices].map((d) => [posix.normalize(d.path), d]));
  const nodes = [...wanted].map(([path, device], i) => ({
    directory: posix.dirname(path),
    plan:
      userNamespace === undefined || device.type === 'p'
        ? { before: [], child: makeDevice(device, isEmpty(posix.dirname(path), mounts)) }
        : lendDevice(device, userNamespace, `device-${i}`),
  }));
  const own = nodes.flatMap(({ plan }) => plan.before);
  const byDirectory = Map.groupBy(nodes, ({ directory }) => directory);
  return {
    before: own.length === 0 ? [] : [LENT_DEVICES, ...own],
    child: [...byDirectory].flatMap(([directory, list]) => [
      openDirectory(directory),
      ...list.flatMap(({ plan }) => plan.child),
      ...(directory === '/dev' ? LINKS.map(link) : []),
    ]),
  };
}

function lendDevice(device: DeviceSpec, owners: UserNamespace, slot: string): MountPlan {
  const usual = DEFAULT_DEVICES.some(
    (one) => one.path === device.path && makedevOf(one) === makedevOf(device),
  );
  if (usual || owners === 'joined') return lendHostDevice(device);
  const node = { type: FILE_TYPES[device.type], dev: makedevOf(device), permissions: permissionsOf(device) };
  return lendOwnDevice(device, node, owners, slot);
}

function openDirectory(path: string): Op {
  return {
    op: 'ensure',
    into: 'dev',
    at: 'rootfs',
    path: path.slice(1),
    type: K.S_IFDIR,
    mode: 0o755,
    resolve: path === '/dev' || path.startsWith('/dev/') ? NO_LINKS : IN_ROOT,
    why: `Nodes are made in ${path} by descriptor: were it a link, they would land somewhere else.`,
  };
}

/** "If a file already exists at path that does not match the requested device, the runtime MUST generate an error." config-linux.md */
function checkPaths(devices: readonly DeviceSpec[]): void {
  for (const [path, [first, ...others]] of Map.groupBy(devices, (one) => posix.normalize(one.path)))
    for (const other of others)
      if (first?.type !== other.type || makedevOf(first) !== makedevOf(other))
        throw new TsrunError('BAD_DEVICE', `Cannot make the device ${path}: two are asked for there`);
}

/** In a file system that was just made there is nothing; in a directory of the root there may be the node of an earlier start. */
function isEmpty(directory: string, mounts: readonly MountSpec[]): boolean {
  const covering = mounts.findLast(({ destination }) =>
    `${directory}/`.startsWith(`${posix.resolve('/', destination)}/`),
  );
  return covering?.type === 'tmpfs' && !covering.options?.includes('tmpcopyup');
}

function makeDevice(device: DeviceSpec, empty: boolean): readonly Op[] {
  const path = posix.basename(device.path);
  const mayBeThere = !empty && FILE_TYPES[device.type] === K.S_IFCHR;
  const mode = FILE_TYPES[device.type] + permissionsOf(device);
  const node: Op = {
    op: 'mknod',
    at: 'dev',
    path,
    mode,
    dev: makedevOf(device),
    ...(mayBeThere ? { tolerate: ['EEXIST'] } : {}),
    why: `The device ${device.path}.`,
  };
  const nodes: readonly Op[] = mayBeThere ? [node, ...checkNode(device, path)] : [node];
  if (!device.uid && !device.gid) return nodes;
  return [
    ...nodes,
    {
      op: 'chown',
      at: 'dev',
      path,
      uid: device.uid ?? 0,
      gid: device.gid ?? 0,
      why: `${device.path} belongs to whom the specification says.`,
    },
  ];
}

/** The descriptor of a node that is checked: this and its name. */
export const NODE = 'node ';

function checkNode(device: DeviceSpec, path: string): readonly Op[] {
  return [
    {
      op: 'open',
      into: NODE + path,
      at: 'dev',
      path,
      flags: K.O_PATH + K.O_NOFOLLOW,
      mode: 0,
      resolve: 0,
      why: 'The node that was made, or was there already.',
    },
    {
      op: 'check_device',
      fd: NODE + path,
      dev: makedevOf(device),
      why: 'It must be the device, not a file that the image put there (CVE-2025-31133).',
    },
  ];
}

/** Some encoders write the type of the file along with its permissions. */
function permissionsOf({ fileMode = 0o666 }: DeviceSpec): number {
  return fileMode & 0o7777;
}

function makedevOf(device: DeviceSpec): bigint {
  return K.makedev(device.major ?? 0, device.minor ?? 0);
}

function link([name, target]: readonly [string, string]): Op {
  return {
    op: 'symlink',
    target,
    at: 'dev',
    path: name,
    tolerate: ['EEXIST'],
    why: `Programs expect /dev/${name}.`,
  };
}
