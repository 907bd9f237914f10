/** Where a mount goes: a place inside the root, found by descriptor. */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';

/**
 * A link in the image at /proc, /sys or /dev would redirect what the engine mounts and writes there
 * (CVE-2019-16884, CVE-2023-27561), so on the way to these file systems no link is followed at all.
 */
export const NO_LINKS = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS;
export const IN_ROOT = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_MAGICLINKS;

/** Opens `target`. `mode` is that of a directory that has to be made. */
export function findPlace(
  destination: string,
  type: 'directory' | 'file',
  resolve: number,
  mode = 0o755,
): Op {
  return {
    op: 'ensure',
    into: 'target',
    at: 'rootfs',
    path: destination.replace(/^\/+/, ''),
    type: type === 'directory' ? K.S_IFDIR : K.S_IFREG,
    mode: type === 'directory' ? mode : 0o644,
    resolve,
    why: `Finds or makes ${destination}; ${resolve === NO_LINKS ? 'a link in the image on the way there is refused' : 'links in the image are followed, but never out of the root'}.`,
  };
}

export function attachAt(slot: string, destination: string): Op {
  return { op: 'move_mount', from: slot, at: 'target', path: '', why: `It appears at ${destination}.` };
}

/** `at`: the mount. An access-time setting must clear the whole field; what is both set and cleared otherwise was asked last to be set. */
export function setAttributes(
  at: string,
  { set, clear }: { readonly set: number; readonly clear: number },
  flags: number,
  why: string,
): readonly Op[] {
  if (set === 0 && clear === 0) return [];
  const cleared = (clear & K.MOUNT_ATTR_ATIME) | (clear & ~set);
  return [{ op: 'mount_setattr', at, path: '', flags, set, clear: cleared, propagation: 0, why }];
}

export function setPropagation(
  at: string,
  { flag, recursive }: { readonly flag: number; readonly recursive: boolean },
  why = 'Decides whether later mounts below are passed on between host and container.',
): Op {
  return {
    op: 'mount_setattr',
    at,
    path: '',
    flags: recursive ? K.AT_RECURSIVE : 0,
    set: 0,
    clear: 0,
    propagation: flag,
    why,
  };
}
