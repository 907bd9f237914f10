/* Ops on mounts: the file system context calls (fsopen, fsconfig, fsmount), trees of mounts by descriptor
 * (open_tree, mount_setattr, move_mount), and the old mount(2) where the new calls have no equal. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "run.h"
#include "syscalls.h"

static int result(int value) { return value < 0 ? -errno : value; }

int op_fsopen(struct run *r, const struct plan_op *op) {
  int fd = (int)syscall(SYS_fsopen, run_str(r, op->f[FSOPEN_FSTYPE]), FSOPEN_CLOEXEC);
  return fd < 0 ? -errno : run_store(r, op->f[FSOPEN_INTO], fd);
}

/* The context keeps the kernel's own words about what it refused: read them for the error message. */
static void keep_fs_message(struct run *r, int fs) {
  char text[REPORT_DETAIL_SIZE];
  ssize_t n = read(fs, text, sizeof text - 1);
  if (n <= 0) return;
  while (n > 0 && text[n - 1] == '\n') n--;
  text[n] = 0;
  run_detail(r, n > 2 && text[1] == ' ' ? text + 2 : text);
}

int op_fsconfig(struct run *r, const struct plan_op *op) {
  int fs = r->fds[op->f[FSCONFIG_FS]];
  unsigned command = (unsigned)op->f[FSCONFIG_COMMAND];
  const char *key = command >= FSCONFIG_CMD_CREATE ? NULL : run_str(r, op->f[FSCONFIG_KEY]);
  const char *value = command == FSCONFIG_SET_STRING ? run_str(r, op->f[FSCONFIG_VALUE]) : NULL;
  if (syscall(SYS_fsconfig, fs, command, key, value, 0) == 0) return 0;
  int error = errno;
  keep_fs_message(r, fs);
  return -error;
}

int op_fsmount(struct run *r, const struct plan_op *op) {
  int fs = r->fds[op->f[FSMOUNT_FS]];
  int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)op->f[FSMOUNT_ATTRIBUTES]);
  return fd < 0 ? -errno : run_store(r, op->f[FSMOUNT_INTO], fd);
}

int op_fspick(struct run *r, const struct plan_op *op) {
  int fd = (int)syscall(SYS_fspick, run_fd(r, op->f[FSPICK_AT]), run_str(r, op->f[FSPICK_PATH]), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  return fd < 0 ? -errno : run_store(r, op->f[FSPICK_INTO], fd);
}

int op_open_tree(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[OPEN_TREE_PATH]);
  int fd = sys_open_tree(run_fd(r, op->f[OPEN_TREE_AT]), path, (unsigned)op->f[OPEN_TREE_FLAGS] | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  return fd < 0 ? -errno : run_store(r, op->f[OPEN_TREE_INTO], fd);
}

int op_mount_setattr(struct run *r, const struct plan_op *op) {
  uint64_t userns = op->f[MOUNT_SETATTR_USERNS];
  struct mount_attr attr = {
      .attr_set = op->f[MOUNT_SETATTR_SET],
      .attr_clr = op->f[MOUNT_SETATTR_CLEAR],
      .propagation = op->f[MOUNT_SETATTR_PROPAGATION],
      .userns_fd = userns == TSR_NO_FD ? 0 : (uint64_t)r->fds[userns],
  };
  return result((int)syscall(SYS_mount_setattr, run_fd(r, op->f[MOUNT_SETATTR_AT]), run_str(r, op->f[MOUNT_SETATTR_PATH]),
                             (unsigned)op->f[MOUNT_SETATTR_FLAGS] | AT_EMPTY_PATH, &attr, sizeof attr));
}

int op_move_mount(struct run *r, const struct plan_op *op) {
  return result(sys_move_mount(r->fds[op->f[MOVE_MOUNT_FROM]], "", run_fd(r, op->f[MOVE_MOUNT_AT]),
                               run_str(r, op->f[MOVE_MOUNT_PATH]), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int op_mount(struct run *r, const struct plan_op *op) {
  const char *data = run_str(r, op->f[MOUNT_DATA]);
  return result(mount(run_str(r, op->f[MOUNT_SOURCE]), run_str(r, op->f[MOUNT_TARGET]), run_str(r, op->f[MOUNT_FSTYPE]),
                      op->f[MOUNT_FLAGS], *data ? data : NULL));
}

int op_umount(struct run *r, const struct plan_op *op) {
  return result(umount2(run_str(r, op->f[UMOUNT_PATH]), (int)op->f[UMOUNT_FLAGS]));
}

/* By descriptor: what a path leads to may be somebody else's by now, and "." an engine's. */
int op_detach(struct run *r, const struct plan_op *op) {
  char path[32];
  int fd = r->fds[op->f[DETACH_FD]];
  if (fd < 0) return -EBADF;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return result(umount2(path, MNT_DETACH));
}

static int attach(int mount, int target) {
  return sys_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* Puts another mount of the same tree over `target`. A tree that is attached nowhere yet cannot be cloned before
 * Linux 6.15 (EINVAL): then this is its first place, and from there it can. */
static int cover(int mount, int target) {
  int tree = sys_open_tree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (tree < 0) return errno == EINVAL ? attach(mount, target) : -1;
  int covered = attach(tree, target), error = errno;
  close(tree);
  errno = error;
  return covered;
}

/* Hides a path of the root: a directory under an empty one, anything else under /dev/null. Nothing to hide is fine. */
int op_mask(struct run *r, const struct plan_op *op) {
  int target = sys_openat2(r->fds[op->f[MASK_AT]], run_str(r, op->f[MASK_PATH]), O_PATH | O_CLOEXEC, 0,
                           RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (target < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
  struct stat st;
  int covered = fstat(target, &st);
  if (covered == 0) covered = cover(r->fds[op->f[S_ISDIR(st.st_mode) ? MASK_DIRECTORY : MASK_FILE]], target);
  int error = errno;
  close(target);
  return covered < 0 ? -error : 1;
}

int op_pivot_root(struct run *r, const struct plan_op *op) {
  return result((int)syscall(SYS_pivot_root, run_str(r, op->f[PIVOT_ROOT_NEW_ROOT]), run_str(r, op->f[PIVOT_ROOT_PUT_OLD])));
}

int op_chroot(struct run *r, const struct plan_op *op) { return result(chroot(run_str(r, op->f[CHROOT_PATH]))); }
