/** Mount options as people write them (mount(8)) → attributes of a mount, its propagation, and data for the file system. */
import * as K from '../kernel/constants.ts';

export interface MountOptions {
  readonly bind: boolean;
  /** Submounts of a bind source come along. */
  readonly recursive: boolean;
  readonly set: number;
  readonly clear: number;
  /** Attributes for all submounts too: rro, rnosuid … (kernel 5.12, mount_setattr(2)). */
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  /** 0: as it is. */
  readonly propagation: number;
  readonly propagationRecursive: boolean;
  /** Options of the file system itself: `size=64m`, or a flag without value. */
  readonly data: readonly string[];
}

interface AttributeChange {
  readonly set?: number;
  readonly clear?: number;
}

const ATTRIBUTES: ReadonlyMap<string, AttributeChange> = new Map(
  Object.entries<AttributeChange>({
    ro: { set: K.MOUNT_ATTR_RDONLY },
    rw: { clear: K.MOUNT_ATTR_RDONLY },
    nosuid: { set: K.MOUNT_ATTR_NOSUID },
    suid: { clear: K.MOUNT_ATTR_NOSUID },
    nodev: { set: K.MOUNT_ATTR_NODEV },
    dev: { clear: K.MOUNT_ATTR_NODEV },
    noexec: { set: K.MOUNT_ATTR_NOEXEC },
    exec: { clear: K.MOUNT_ATTR_NOEXEC },
    nodiratime: { set: K.MOUNT_ATTR_NODIRATIME },
    diratime: { clear: K.MOUNT_ATTR_NODIRATIME },
    nosymfollow: { set: K.MOUNT_ATTR_NOSYMFOLLOW },
    symfollow: { clear: K.MOUNT_ATTR_NOSYMFOLLOW },
    // The three ways to keep access times are one field of the attributes: it is cleared whole before one is set.
    noatime: { set: K.MOUNT_ATTR_NOATIME, clear: K.MOUNT_ATTR_ATIME },
    strictatime: { set: K.MOUNT_ATTR_STRICTATIME, clear: K.MOUNT_ATTR_ATIME },
    relatime: { clear: K.MOUNT_ATTR_ATIME },
    atime: { clear: K.MOUNT_ATTR_ATIME },
  }),
);

/** With an `r` before it, the same for all submounts. */
const PROPAGATION: ReadonlyMap<string, number> = new Map([
  ['private', K.MS_PRIVATE],
  ['slave', K.MS_SLAVE],
  ['shared', K.MS_SHARED],
  ['unbindable', K.MS_UNBINDABLE],
]);

/** Options that are the default, or that only matter to mount(8). */
const NO_MEANING = new Set(['defaults', 'async', 'nolazytime', 'norelatime', 'nostrictatime']);

/** What options of the file systems themselves are for, as a plan explains them. */
const PURPOSES: Readonly<Record<string, string>> = {
  mode: 'The permissions of its root directory, or of new terminals.',
  size: 'It takes no more memory than this.',
  uid: 'The user its root directory belongs to.',
  gid: 'The group its root directory, or its terminals, belong to.',
  nr_inodes: 'It holds no more files than this.',
  newinstance: 'Terminals of its own, numbered from 0, apart from those of the host.',
  ptmxmode: 'Who may ask for a new terminal: everybody inside.',
  hidepid: 'Who sees the processes of others.',
  subset: 'Only a part of the file system is shown.',
};

export function purposeOf(option: string): string {
  const name = option.split('=', 1)[0] ?? '';
  return PURPOSES[name] ?? `The option ${option} of this file system.`;
}

export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed = {
    bind: false,
    recursive: false,
    set: 0,
    clear: 0,
    recursiveSet: 0,
    recursiveClear: 0,
    propagation: 0,
    propagationRecursive: false,
    data: [] as string[],
  };
  for (const option of options) {
    const attribute = ATTRIBUTES.get(option);
    const recursive = option.startsWith('r') ? ATTRIBUTES.get(option.slice(1)) : undefined;
    const propagation = propagationFlag(option);
    if (option === 'bind' || option === 'rbind') {
      parsed.bind = true;
      parsed.recursive ||= option === 'rbind';
    } else if (attribute !== undefined) {
      parsed.set = (parsed.set & ~(attribute.clear ?? 0)) | (attribute.set ?? 0);
      parsed.clear |= attribute.clear ?? 0;
    } else if (propagation !== undefined) {
      parsed.propagation = propagation.flag;
      parsed.propagationRecursive = propagation.recursive;
    } else if (recursive !== undefined) {
      parsed.recursiveSet = (parsed.recursiveSet & ~(recursive.clear ?? 0)) | (recursive.set ?? 0);
      parsed.recursiveClear |= recursive.clear ?? 0;
    } else if (!NO_MEANING.has(option)) {
      parsed.data.push(option);
    }
  }
  return parsed;
}

export function propagationFlag(
  name: string,
): { readonly flag: number; readonly recursive: boolean } | undefined {
  const recursive = !PROPAGATION.has(name) && name.startsWith('r');
  const flag = PROPAGATION.get(recursive ? name.slice(1) : name);
  return flag === undefined ? undefined : { flag, recursive };
}
