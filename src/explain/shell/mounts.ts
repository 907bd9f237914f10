/** Ops on mounts as mount(8), umount(8) and pivot_root(8). The new mount calls prepare a mount first and attach it last; mount(8) has one step. */
import * as K from '../../kernel/constants.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';
import type { PendingMount, ShellWriter } from './writer.ts';

type MountOps =
  | 'fsopen'
  | 'fsconfig'
  | 'fsmount'
  | 'open_tree'
  | 'mount_setattr'
  | 'move_mount'
  | 'mount'
  | 'umount'
  | 'detach'
  | 'mask'
  | 'pivot_root'
  | 'chroot'
  | 'fspick'
  | 'make_userns'
  | 'copy_tree'
  | 'chmod_like';

export const MOUNTS: Translations<MountOps> = {
  fsopen(op, sh) {
    sh.prepareMount(op.into, {
      fstype: String(op.fstype),
      source: quote(op.fstype),
      recursive: false,
      options: [],
      needs: undefined,
      remounts: [],
    });
  },
  fsconfig(op, sh) {
    const fs = pending(op.fs, sh);
    const key = String(op.key);
    if (Number(op.command) === K.FSCONFIG_CMD_CREATE) return;
    if (Number(op.command) === K.FSCONFIG_SET_FLAG) fs.options.push(quote(key));
    else if (key === 'source') fs.source = quote(op.value);
    else if (key === 'lowerdir') writeLayers(fs, String(op.value), sh);
    else fs.options.push(`${quote(`${key}=`)}${sh.hostPath(op.value)}`);
  },
  fsmount(op, sh) {
    const fs = pending(op.fs, sh);
    fs.options.push(...attributeNames(Number(op.attributes)));
    sh.prepareMount(op.into, fs);
  },
  open_tree(op, sh) {
    const mount: PendingMount = {
      fstype: undefined,
      source: sh.path(op.at, op.path),
      recursive: (Number(op.flags) & K.AT_RECURSIVE) !== 0,
      options: [],
      needs: op.at,
      remounts: [],
    };
    sh.prepareMount(op.into, mount);
  },
  mount_setattr(op, sh) {
    if (op.userns !== undefined)
      return sh.impossible(op, 'mount(8) of util-linux 2.38 has no idmapped mounts.');
    const recursive = (Number(op.flags) & K.AT_RECURSIVE) !== 0;
    const waiting = op.at === undefined ? undefined : sh.mounts.get(op.at);
    const names = [...attributeNames(Number(op.set)), ...clearedNames(Number(op.clear), Number(op.set))];
    const target = sh.path(op.at, op.path);
    if (names.length > 0) {
      const options = names.join(',');
      if (waiting === undefined) sh.command(remount(options, target, recursive), op.at);
      else waiting.remounts.push({ options, recursive });
    }
    const propagation = propagationFlag(Number(op.propagation), recursive);
    if (propagation !== undefined) sh.command(`mount ${propagation} -- ${target}`, op.at);
  },
  move_mount(op, sh) {
    attach(op.from, sh.path(op.at, op.path), sh, op.at);
  },
  mount(op, sh) {
    const target = sh.inside ? quote(op.target) : sh.hostPath(op.target);
    const tool = sh.inside ? 'tool mount' : 'mount';
    const propagation = propagationFlag(Number(op.flags), (Number(op.flags) & K.MS_REC) !== 0);
    if (op.fstype.length === 0) return sh.line(`${tool} ${propagation ?? '-o remount'} -- ${target}`);
    const options = String(op.data)
      .split(',')
      .map((option) => {
        const [key = '', ...value] = option.split('=');
        if (key === 'lowerdir') nameLayers(value.join('='), sh);
        return value.length === 0 ? quote(key) : `${quote(`${key}=`)}${sh.hostPath(value.join('='))}`;
      });
    sh.line(`${tool} -t ${quote(op.fstype)} -o ${options.join(',')} -- ${quote(op.source)} ${target}`);
  },
  umount(op, sh) {
    const lazy = (Number(op.flags) & K.MNT_DETACH) === 0 ? '' : '-l ';
    // After pivot_root the old root lies over the new one, so that `/` names it to umount.
    const target = sh.inside && op.path === '.' ? '/' : sh.hostPath(op.path);
    sh.line(`${sh.inside ? 'tool ' : ''}umount ${lazy}-- ${target}`);
  },
  mask(op, sh) {
    for (const fd of [op.file, op.directory]) materialize(fd, sh);
    const cover = `${sh.variable(op.file)} ${sh.variable(op.directory)}`;
    sh.line(`hide ${sh.variable(op.at)} ${quote(op.path)} ${cover}`);
  },
  pivot_root(op, sh) {
    sh.comment(
      'A shell needs programs also after this, so it does not stand in the new root but in the directory of its tools: pivot_root gets the path instead of ".". What the shell stands in stays within its reach, and only in its.',
    );
    const place = (path: string | Uint8Array) => (String(path) === '.' ? sh.directory : sh.hostPath(path));
    sh.line('cd -- "$TOOLS"', `pivot_root ${place(op.newRoot)} ${place(op.putOld)}`);
    sh.inside = true;
  },
  detach: (op, sh) => sh.line(`umount --lazy -- ${sh.variable(op.fd)}`),
  chroot(op, sh) {
    sh.impossible(
      op,
      'after chroot none of its tools is left, and a program run by chroot(8) would still have all its rights.',
    );
    sh.refuse('a container without a mount namespace cannot be made by hand');
  },
  fspick(op, sh) {
    sh.impossible(op, 'mount -o remount takes a path and all options at once.');
  },
  make_userns(op, sh) {
    sh.impossible(op, 'mount(8) of util-linux 2.38 has no idmapped mounts.');
  },
  copy_tree(op, sh) {
    sh.impossible(op, 'mount(8) covers a directory at once: nothing can be copied from there any more.');
  },
  chmod_like(op, sh) {
    pending(op.fd, sh).options.push(`mode="$(stat -c %a -- ${sh.variable(op.like)})"`);
  },
};

const ATTRIBUTES: readonly (readonly [bit: number, set: string, cleared: string])[] = [
  [K.MOUNT_ATTR_RDONLY, 'ro', 'rw'],
  [K.MOUNT_ATTR_NOSUID, 'nosuid', 'suid'],
  [K.MOUNT_ATTR_NODEV, 'nodev', 'dev'],
  [K.MOUNT_ATTR_NOEXEC, 'noexec', 'exec'],
  [K.MOUNT_ATTR_NOATIME, 'noatime', 'atime'],
  [K.MOUNT_ATTR_STRICTATIME, 'strictatime', 'nostrictatime'],
  [K.MOUNT_ATTR_NODIRATIME, 'nodiratime', 'diratime'],
  [K.MOUNT_ATTR_NOSYMFOLLOW, 'nosymfollow', 'symfollow'],
];
const PROPAGATION: readonly (readonly [flag: number, name: string])[] = [
  [K.MS_PRIVATE, 'private'],
  [K.MS_SLAVE, 'slave'],
  [K.MS_SHARED, 'shared'],
  [K.MS_UNBINDABLE, 'unbindable'],
];

function attributeNames(attributes: number): readonly string[] {
  return ATTRIBUTES.filter(([bit]) => (attributes & bit) !== 0).map(([, name]) => name);
}

/** What is set anew in the same call is not also cleared; the access-time field is cleared as a whole. */
function clearedNames(clear: number, set: number): readonly string[] {
  if ((clear & K.MOUNT_ATTR_ATIME) === K.MOUNT_ATTR_ATIME && (set & K.MOUNT_ATTR_ATIME) === 0)
    return ['relatime', ...clearedNames(clear & ~K.MOUNT_ATTR_ATIME, set)];
  return ATTRIBUTES.filter(([bit]) => (clear & ~K.MOUNT_ATTR_ATIME & ~set & bit) !== 0).map(
    ([, , name]) => name,
  );
}

function propagationFlag(flags: number, recursive: boolean): string | undefined {
  const name = PROPAGATION.find(([flag]) => (flags & flag) !== 0)?.[1];
  return name === undefined ? undefined : `--make-${recursive ? 'r' : ''}${name}`;
}

function writeLayers(fs: PendingMount, names: string, sh: ShellWriter): void {
  nameLayers(names, sh);
  fs.options.push(quote(`lowerdir=${names}`));
}

/** Short links stand in the mount options; where they lead is said beside them. */
function nameLayers(names: string, sh: ShellWriter): void {
  for (const name of names.split(':')) {
    const path = sh.layerPaths.get(name);
    if (path !== undefined) sh.comment(`${name} leads to ${path}`);
  }
}

function pending(fd: string, sh: ShellWriter): PendingMount {
  const mount = sh.mounts.get(fd);
  if (mount === undefined) throw new Error(`${fd} is no mount that is being prepared`);
  return mount;
}

function attach(fd: string, target: string, sh: ShellWriter, at: string | undefined): void {
  const { fstype, source, recursive, options, needs, remounts } = pending(fd, sh);
  const list = options.length === 0 ? '' : ` -o ${[...new Set(options)].join(',')}`;
  const command =
    fstype === undefined
      ? `mount ${recursive ? '--rbind' : '--bind'} -- ${source} ${target}`
      : `mount -t ${quote(fstype)}${list} -- ${source} ${target}`;
  sh.command(command, needs, at);
  for (const change of remounts) sh.command(remount(change.options, target, change.recursive), needs, at);
  if (sh.isUsedLater(fd)) sh.assign(fd, target);
}

/** The new calls can use a mount that is attached nowhere; mount(8) must put it somewhere first. */
function materialize(fd: string, sh: ShellWriter): void {
  if (!sh.mounts.has(fd)) return;
  attach(fd, sh.place(fd), sh, undefined);
}

function remount(options: string, target: string, recursive: boolean): string {
  return recursive ? `remount_tree ${options} ${target}` : `mount -o remount,bind,${options} -- ${target}`;
}
