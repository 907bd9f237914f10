/* A user namespace that only exists as a descriptor. user_namespaces(7), mount_setattr(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "syscalls.h"

/* The kernel takes a map in one write, while somebody is in the namespace. */
static int write_map(pid_t pid, const char *file, const char *map, size_t length) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int error = write(fd, map, length) == (ssize_t)length ? 0 : errno;
  close(fd);
  return -error;
}

static int open_userns(pid_t pid) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int op_make_userns(struct run *r, const struct plan_op *op) {
  uint64_t uids = op->f[MAKE_USERNS_UID_MAP], gids = op->f[MAKE_USERNS_GID_MAP];
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    close(ends[1]);
    char byte;
    _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1); /* until the other end is closed */
  }
  int result = pid < 0 ? -errno : write_map(pid, "uid_map", run_str(r, uids), plan_len(uids));
  if (result == 0) result = write_map(pid, "gid_map", run_str(r, gids), plan_len(gids));
  if (result == 0) result = open_userns(pid);
  close(ends[0]);
  close(ends[1]);
  if (pid > 0) waitpid(pid, NULL, 0);
  return result < 0 ? result : run_store(r, op->f[MAKE_USERNS_INTO], result);
}
