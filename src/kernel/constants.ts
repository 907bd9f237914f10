/** Numbers of the kernel's interface that plans use. Those that differ between architectures come from Node. */
import { constants } from 'node:fs';

export const { O_RDONLY, O_WRONLY, O_RDWR, O_DIRECTORY, O_NOFOLLOW, O_NOCTTY, O_NONBLOCK } = constants;
export const O_PATH = 0o10000000;
export const { S_IFDIR, S_IFREG, S_IFCHR, S_IFIFO } = constants;
export const S_IFBLK = 0o060000;

/** openat2(2) */
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_IN_ROOT = 0x10;

/** clone(2), namespaces(7) */
export const CLONE_NEWTIME = 0x00000080;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

/** mount(2) */
export const MS_RDONLY = 0x1;
export const MS_REC = 0x4000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
/** umount(2) */
export const MNT_DETACH = 2;

/** open_tree(2), mount_setattr(2) */
export const OPEN_TREE_CLONE = 1;
export const AT_RECURSIVE = 0x8000;
export const MOUNT_ATTR_RDONLY = 0x01;
export const MOUNT_ATTR_NOSUID = 0x02;
export const MOUNT_ATTR_NODEV = 0x04;
export const MOUNT_ATTR_NOEXEC = 0x08;
export const MOUNT_ATTR_ATIME = 0x70;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_IDMAP = 0x100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

/** fsconfig(2) */
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;
export const FSCONFIG_CMD_RECONFIGURE = 7;

/** statfs(2) */
export const PROC_SUPER_MAGIC = 0x9fa0;

/** prctl(2) */
export const PR_SET_PDEATHSIG = 1;
export const PR_SET_KEEPCAPS = 8;
export const PR_SET_NO_NEW_PRIVS = 38;
export const SIGKILL = 9;

/** makedev(3): the device number the kernel's stat and mknod use. */
export function makedev(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}

/** socket(2), ip(7), ipv6(7) */
export const AF_INET = 2;
export const AF_INET6 = 10;
// netinet/in.h
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
