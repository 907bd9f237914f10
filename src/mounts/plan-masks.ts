/** Paths of /proc and /sys that tell or change too much about the host: hidden, or made read-only. */
import * as K from '../kernel/constants.ts';
import { create, setFlag, setSource } from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';

export function planMaskedPaths(paths: readonly string[]): readonly Op[] {
  if (paths.length === 0) return [];
  return [
    {
      op: 'open',
      into: 'null',
      at: 'rootfs',
      path: 'dev/null',
      flags: K.O_PATH,
      mode: 0,
      resolve: K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS,
      why: 'Files are hidden under /dev/null.',
    },
    {
      op: 'check_device',
      fd: 'null',
      dev: K.makedev(1, 3),
      why: 'It must be the real null device, not a file the image put there (CVE-2025-31133).',
    },
    {
      op: 'fsopen',
      into: 'fs',
      fstype: 'tmpfs',
      why: 'Directories are hidden under one empty, read-only tmpfs.',
    },
    setSource('tmpfs'),
    setFlag('ro', 'Nothing can ever be written to it.'),
    create(),
    {
      op: 'fsmount',
      into: 'empty',
      fs: 'fs',
      attributes: K.MOUNT_ATTR_RDONLY + K.MOUNT_ATTR_NOSUID + K.MOUNT_ATTR_NODEV + K.MOUNT_ATTR_NOEXEC,
      why: 'One mount serves for all directories.',
    },
    ...paths.map(
      (path): Op => ({
        op: 'mask',
        at: 'rootfs',
        path: path.replace(/^\/+/, ''),
        file: 'null',
        directory: 'empty',
        why: `${path} tells or changes something about the host.`,
      }),
    ),
  ];
}

export function planReadonlyPaths(paths: readonly string[]): readonly Op[] {
  return paths.flatMap((path): Op[] => [
    {
      op: 'open',
      into: 'target',
      at: 'rootfs',
      path: path.replace(/^\/+/, ''),
      flags: K.O_PATH,
      mode: 0,
      resolve: K.RESOLVE_IN_ROOT + K.RESOLVE_NO_MAGICLINKS,
      tolerate: ['ENOENT', 'ENOTDIR'],
      why: `${path} may be read but not written: writing would change the host.`,
    },
    {
      op: 'open_tree',
      into: 'mount',
      at: 'target',
      path: '',
      flags: K.OPEN_TREE_CLONE + K.AT_RECURSIVE,
      why: 'The same tree as a mount of its own, which can have attributes of its own.',
    },
    {
      op: 'mount_setattr',
      at: 'mount',
      path: '',
      flags: K.AT_RECURSIVE,
      set: K.MOUNT_ATTR_RDONLY,
      clear: 0,
      propagation: 0,
      why: 'Read-only from here on, with every mount below it.',
    },
    { op: 'move_mount', from: 'mount', at: 'target', path: '', why: 'Put over the writable one.' },
  ]);
}
