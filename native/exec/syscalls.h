/* System calls and structures that the C library lacks. man 2 openat2, open_tree, fsopen, mount_setattr, clone3. */
#ifndef SYSCALLS_H
#define SYSCALLS_H
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

struct clone3_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static inline int sys_openat2(int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}
static inline int sys_open_tree(int at, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, at, path, flags);
}
static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
  return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

#endif
