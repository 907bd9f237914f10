/** Device nodes for a user namespace, which may make none itself: the host's process makes or finds them, and lends them by a mount. */
import { posix } from 'node:path';
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import { hostId } from '../spec/id-mapping.ts';
import type { DeviceSpec, IdMapping } from '../spec/runtime.ts';
import { NO_LINKS, setAttributes, setPropagation } from './place.ts';
import type { MountPlan, UserNamespace } from './plan-binds.ts';

/** The node of the host at the same path, whatever it is. */
export function lendHostDevice({ path }: DeviceSpec): MountPlan {
  const tree: Op = {
    op: 'open_tree',
    into: 'mount',
    path,
    flags: K.OPEN_TREE_CLONE,
    why: `The host's ${path}: a user namespace may not make device nodes.`,
  };
  return { before: [], child: [tree, ...place(path, 'mount')] };
}

/** Beside the state of the container, whose end it shares: a mount of a node that is gone can be put nowhere. */
const DIRECTORY = 'devices';

export const LENT_DEVICES: Op = {
  op: 'mkdir',
  at: 'run-dir',
  path: DIRECTORY,
  mode: 0o700,
  why: 'Nobody but root finds the nodes that lie here.',
};

/** A node of its own, with the numbers, permissions and owners that were asked for; `slot` names it among others, which all lie in LENT_DEVICES. */
export function lendOwnDevice(
  device: DeviceSpec,
  { type, dev, permissions }: { readonly type: number; readonly dev: bigint; readonly permissions: number },
  owners: Exclude<UserNamespace, 'joined'>,
  slot: string,
): MountPlan {
  const at = 'run-dir';
  const path = `${DIRECTORY}/${slot}`;
  const before: readonly Op[] = [
    {
      op: 'mknod',
      at,
      path,
      mode: type + permissions,
      dev,
      why: `The device ${device.path}, made outside: a user namespace may make none.`,
    },
    { op: 'chmod', at, path, mode: permissions, why: 'Whatever the umask of the caller took away.' },
    {
      op: 'chown',
      at,
      path,
      uid: ownerOutside(device, device.uid ?? 0, owners.uidMappings),
      gid: ownerOutside(device, device.gid ?? 0, owners.gidMappings),
      why: 'Inside it belongs to whom the specification says.',
    },
    {
      op: 'open_tree',
      into: slot,
      at,
      path,
      flags: K.OPEN_TREE_CLONE,
      why: 'The node alone as a mount, attached nowhere yet.',
    },
    setPropagation(
      slot,
      { flag: K.MS_PRIVATE, recursive: false },
      'It has nothing to do with the mount it lay on.',
    ),
    ...setAttributes(
      slot,
      { set: K.MOUNT_ATTR_NOSUID + K.MOUNT_ATTR_NOEXEC, clear: K.MOUNT_ATTR_NODEV },
      0,
      'Where the host keeps its run-time files, devices have no meaning; here they have.',
    ),
  ];
  return { before, child: place(device.path, slot) };
}

/** `dev` is the directory. */
function place(path: string, from: string): readonly Op[] {
  return [
    {
      op: 'ensure',
      into: 'target',
      at: 'dev',
      path: posix.basename(path),
      type: K.S_IFREG,
      mode: 0o666,
      resolve: NO_LINKS,
      why: 'An empty file to put it on.',
    },
    { op: 'move_mount', from, at: 'target', path: '', why: `It appears at ${path}.` },
  ];
}

function ownerOutside({ path }: DeviceSpec, id: number, mappings: readonly IdMapping[]): number {
  const outside = hostId(id, mappings);
  if (outside !== undefined) return outside;
  throw new TsrunError('BAD_DEVICE', `Cannot make ${path}: the user namespace has no id ${id}`, {
    hint: 'give the device another owner, or the container more uidMappings and gidMappings',
    exitCode: 1,
  });
}
