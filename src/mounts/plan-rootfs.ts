/** The root of the container: where its files come from, and how it becomes `/`. */
import * as K from '../kernel/constants.ts';
import { create, FSCONFIG_VALUE_MAX, setFlag, setOption, setSource } from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { propagationFlag } from './options.ts';
import { setPropagation } from './place.ts';

/** Image layers under one writable directory. */
export interface OverlayRoot {
  readonly kind: 'overlay';
  /** The directory that the links are relative to. */
  readonly layersDir: HostPath;
  /** Short links to layers, the top layer first, relative to layersDir. */
  readonly lower: readonly string[];
  readonly upper: HostPath;
  readonly work: HostPath;
  /** The writable directory is removed when the container has ended: nothing in it has to reach the disk. */
  readonly discarded: boolean;
  /** An empty directory that the root is mounted on; only inside the container's mount namespace. */
  readonly mountPoint: HostPath;
}

/** A directory that holds the root file system already (a bundle). */
export interface DirectoryRoot {
  readonly kind: 'directory';
  readonly path: HostPath;
}

export type RootSource = OverlayRoot | DirectoryRoot;

/**
 * Until this, the new mount namespace is a copy whose mounts still share events with the host's: what is
 * mounted inside could appear outside. pivot_root refuses a shared parent for the same reason.
 */
export function planPropagation(receives: boolean): readonly Op[] {
  return [
    {
      op: 'mount',
      source: '',
      target: '/',
      fstype: '',
      flags: K.MS_REC + (receives ? K.MS_SLAVE : K.MS_PRIVATE),
      data: '',
      why: receives
        ? 'Mounts of the host are still passed on into the container, none of the container to the host.'
        : 'Cuts the copied mounts loose from the host: nothing mounted here can appear there, or the reverse.',
    },
  ];
}

/** Whether mounts that the host makes later appear in the container. An unbindable mount is a private one. */
export function receivesMounts(rootfsPropagation = 'private'): boolean {
  const flag = propagationFlag(rootfsPropagation)?.flag;
  return flag === K.MS_SLAVE || flag === K.MS_SHARED;
}

/** `isCut`: the mounts around it still receive those of the host, and it is not to. */
export function planRootMount(root: RootSource, isCut: boolean): readonly Op[] {
  if (root.kind === 'overlay') return planOverlay(root);
  const [tree, attached] = planDirectory(root);
  return [
    tree,
    ...(isCut ? [cutRoot('Mounts of the host are passed on to bind mounts that ask for it alone.')] : []),
    attached,
  ];
}

function cutRoot(why: string): Op {
  return setPropagation('rootfs', { flag: K.MS_PRIVATE, recursive: true }, why);
}

/** In a mount namespace that others have too. `undo` takes back all that the container mounts there. */
export function planSharedRoot(root: DirectoryRoot): {
  readonly before: readonly Op[];
  readonly undo: readonly Op[];
} {
  const [tree, attached] = planDirectory(root);
  return {
    before: [
      tree,
      cutRoot('What is mounted in it does not appear in the directory that it shows, too.'),
      attached,
    ],
    undo: [
      { op: 'detach', fd: 'rootfs', why: 'Without a mount namespace its mounts do not go by themselves.' },
    ],
  };
}

function planOverlay(root: OverlayRoot): readonly Op[] {
  const lowerdir = root.lower.join(':');
  return [
    {
      op: 'open',
      into: 'layers',
      path: root.layersDir,
      flags: K.O_PATH + K.O_DIRECTORY,
      mode: 0,
      resolve: 0,
      why: 'The directory of unpacked image layers.',
    },
    {
      op: 'fchdir',
      fd: 'layers',
      why: 'Layers are named relative to here: their short names must fit into one kernel argument.',
    },
    ...(lowerdir.length > FSCONFIG_VALUE_MAX
      ? overlayByMount(root, lowerdir)
      : overlayByContext(root, lowerdir)),
  ];
}

function overlayByContext(root: OverlayRoot, lowerdir: string): readonly Op[] {
  return [
    {
      op: 'fsopen',
      into: 'fs',
      fstype: 'overlay',
      why: 'Begins an overlay: a file system made of several directories.',
    },
    setSource('overlay'),
    setOption(
      'lowerdir',
      lowerdir,
      'The image layers, the top one first; they are only read, and shared by all containers of the image.',
    ),
    setOption('upperdir', root.upper, 'What this container writes goes here, and nowhere else.'),
    setOption('workdir', root.work, 'Where overlayfs prepares a change before it becomes visible at once.'),
    ...(root.discarded
      ? [setFlag('volatile', 'The changes go with the container: nobody waits for them to reach the disk.')]
      : []),
    create(),
    {
      op: 'fsmount',
      into: 'rootfs',
      fs: 'fs',
      attributes: 0,
      why: 'The overlay as a mount that no path leads to yet.',
    },
    attach(
      'rootfs',
      root.mountPoint,
      'Puts the root file system somewhere: pivot_root only takes a mount that is attached.',
    ),
  ];
}

/** mount(2) takes a page of data, enough for 500 layers; the new calls of kernels before 6.7 cannot name so many. */
function overlayByMount(root: OverlayRoot, lowerdir: string): readonly Op[] {
  return [
    {
      op: 'mount',
      source: 'overlay',
      target: root.mountPoint,
      fstype: 'overlay',
      flags: 0,
      data: `lowerdir=${lowerdir},upperdir=${root.upper},workdir=${root.work}${root.discarded ? ',volatile' : ''}`,
      why: 'The image layers with a writable directory on top; the list is too long for fsconfig, so the old call mounts it.',
    },
    openRoot(root.mountPoint),
  ];
}

function planDirectory(root: DirectoryRoot): readonly [tree: Op, attach: Op] {
  return [
    {
      op: 'open_tree',
      into: 'rootfs',
      path: root.path,
      flags: K.OPEN_TREE_CLONE + K.AT_RECURSIVE,
      why: 'The root directory as a mount of its own: pivot_root takes nothing less.',
    },
    attach('rootfs', root.path, 'Puts that mount over the directory it shows.'),
  ];
}

const SEAL: Op = {
  op: 'mount_setattr',
  at: 'rootfs',
  path: '',
  flags: 0,
  set: K.MOUNT_ATTR_RDONLY,
  clear: 0,
  propagation: 0,
  why: 'The root file system is read-only from here on; every mount point has been made.',
};

/** `/` becomes the root file system, and the host's tree is gone from this mount namespace. pivot_root(2). */
export function planPivot(readonly: boolean): readonly Op[] {
  return [
    ...(readonly ? [SEAL] : []),
    {
      op: 'fchdir',
      fd: 'rootfs',
      why: 'pivot_root(".", ".") works on the current directory, so that no name inside the image matters.',
    },
    {
      op: 'pivot_root',
      newRoot: '.',
      putOld: '.',
      why: "Makes the container's files the root; the old root lies on top of it for a moment.",
    },
    {
      op: 'umount',
      path: '.',
      flags: K.MNT_DETACH,
      why: 'Takes the old root away: no path leads to a file of the host any more.',
    },
  ];
}

/** Without a mount namespace of its own the container can only be confined to a directory. */
export function planChroot(readonly: boolean): readonly Op[] {
  return [
    ...(readonly ? [SEAL] : []),
    { op: 'fchdir', fd: 'rootfs', why: 'chroot(".") works on the current directory.' },
    {
      op: 'chroot',
      path: '.',
      why: 'Without a mount namespace, the root directory is all that can be changed.',
    },
  ];
}

export function planRootPropagation(rootfsPropagation: string | undefined): readonly Op[] {
  const asked = rootfsPropagation === undefined ? undefined : propagationFlag(rootfsPropagation);
  if (asked === undefined || asked.flag === K.MS_PRIVATE) return [];
  return [
    {
      op: 'mount',
      source: '',
      target: '/',
      fstype: '',
      flags: asked.flag + (asked.recursive ? K.MS_REC : 0),
      data: '',
      why: `The specification asks for ${rootfsPropagation} propagation of the root's mounts.`,
    },
  ];
}

function attach(from: string, path: string, why: string): Op {
  return { op: 'move_mount', from, path, why };
}

function openRoot(path: string): Op {
  return {
    op: 'open',
    into: 'rootfs',
    path,
    flags: K.O_PATH + K.O_DIRECTORY,
    mode: 0,
    resolve: 0,
    why: 'Everything below is addressed from this descriptor.',
  };
}
