/** Mount options as people write them (mount(8)) → attributes of a mount, its propagation, and data for the file system. */
import * as K from '../kernel/constants.ts';

export interface MountOptions {
  readonly bind: boolean;
  /** Submounts of a bind source come along. */
  readonly recursive: boolean;
  /** What is mounted there already is changed. */
  readonly remount: boolean;
  readonly set: number;
  readonly clear: number;
  /** Attributes for all submounts too: rro, rnosuid … (kernel 5.12, mount_setattr(2)). */
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  /** In the order asked for: `slave` and then `shared` is not the same as `shared` alone. */
  readonly propagation: readonly Propagation[];
  /** Files are shown as somebody else's: with the mount's own mappings, or those of the container's user namespace. */
  readonly idmap: 'none' | 'mount' | 'tree';
  /** What lies at the place of a tmpfs is copied into it first. */
  readonly copyUp: boolean;
  /** Flags of the file system itself that every one has: `sync`, `dirsync` … */
  readonly superblock: readonly string[];
  /** Options of this one: `size=64m`, or a flag without value. */
  readonly data: readonly string[];
}

export interface Propagation {
  readonly flag: number;
  readonly recursive: boolean;
}

interface AttributeChange {
  readonly set?: number;
  readonly clear?: number;
  /** Nothing is changed when this has been asked for: `atime` takes noatime back, not strictatime. */
  readonly unless?: number;
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
    atime: { clear: K.MOUNT_ATTR_ATIME, unless: K.MOUNT_ATTR_STRICTATIME },
    nostrictatime: { clear: K.MOUNT_ATTR_ATIME, unless: K.MOUNT_ATTR_NOATIME },
  }),
);

/** With an `r` before it, the same for all submounts. */
const PROPAGATION: ReadonlyMap<string, number> = new Map([
  ['private', K.MS_PRIVATE],
  ['slave', K.MS_SLAVE],
  ['shared', K.MS_SHARED],
  ['unbindable', K.MS_UNBINDABLE],
]);

/** Each flag of a file system by the options that set it and take it back; fs/fs_context.c, common_set_sb_flag. */
const SUPERBLOCK: ReadonlyMap<string, { readonly flag: string; readonly on: boolean }> = new Map([
  ['sync', { flag: 'sync', on: true }],
  ['async', { flag: 'sync', on: false }],
  ['dirsync', { flag: 'dirsync', on: true }],
  ['lazytime', { flag: 'lazytime', on: true }],
  ['nolazytime', { flag: 'lazytime', on: false }],
  ['mand', { flag: 'mand', on: true }],
  ['nomand', { flag: 'mand', on: false }],
]);

/**
 * The defaults; what concerns the messages of the kernel alone (`silent`); `iversion`, which each file system that can do it does
 * of itself since Linux 6.1; and what mount(8) keeps for itself, as who may use a line of fstab.
 */
const NO_MEANING = new Set(
  (
    'defaults norelatime rnorelatime silent loud iversion noiversion ' +
    'auto noauto fail nofail user nouser users owner group _netdev'
  ).split(' '),
);

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

/** Options in their order: of two that contradict each other the later one holds. What is in no table is the file system's. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const own = new AttributeChanges();
  const recursive = new AttributeChanges();
  const words = new Set(options);
  const superblock = new Set<string>();
  const propagation: Propagation[] = [];
  const data: string[] = [];
  for (const option of options) {
    if (WORDS.has(option) || NO_MEANING.has(option) || option.startsWith('x-')) continue;
    const flag = SUPERBLOCK.get(option);
    const passedOn = propagationFlag(option);
    const change = ATTRIBUTES.get(option);
    const changeAll = option.startsWith('r') ? ATTRIBUTES.get(option.slice(1)) : undefined;
    if (change !== undefined) own.add(change);
    else if (passedOn !== undefined) propagation.push(passedOn);
    else if (changeAll !== undefined) recursive.add(changeAll);
    else if (flag === undefined) data.push(option);
    else if (flag.on) superblock.add(flag.flag);
    else superblock.delete(flag.flag);
  }
  return {
    bind: words.has('bind') || words.has('rbind'),
    recursive: words.has('rbind'),
    remount: words.has('remount'),
    set: own.set,
    clear: own.clear,
    recursiveSet: recursive.set,
    recursiveClear: recursive.clear,
    propagation,
    idmap: words.has('ridmap') ? 'tree' : words.has('idmap') ? 'mount' : 'none',
    copyUp: words.has('tmpcopyup'),
    superblock: [...superblock],
    data,
  };
}

const WORDS = new Set(['bind', 'rbind', 'remount', 'idmap', 'ridmap', 'tmpcopyup']);

/** All that are known to the runtime itself; others are the file system's. */
export const MOUNT_OPTIONS: readonly string[] = [
  ...ATTRIBUTES.keys(),
  ...[...ATTRIBUTES.keys()].map((name) => `r${name}`),
  ...[...PROPAGATION.keys()].flatMap((name) => [name, `r${name}`]),
  ...SUPERBLOCK.keys(),
  ...NO_MEANING,
  ...WORDS,
];

class AttributeChanges {
  set = 0;
  clear = 0;

  add(change: AttributeChange): void {
    if ((this.set & (change.unless ?? 0)) !== 0) return;
    this.set = (this.set & ~(change.clear ?? 0)) | (change.set ?? 0);
    this.clear |= change.clear ?? 0;
  }
}

export function propagationFlag(name: string): Propagation | undefined {
  const recursive = !PROPAGATION.has(name) && name.startsWith('r');
  const flag = PROPAGATION.get(recursive ? name.slice(1) : name);
  return flag === undefined ? undefined : { flag, recursive };
}
