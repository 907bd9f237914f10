/* Ops on cgroups that are more than a write to one of their files. cgroups(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cgroup-device.h"
#include "run.h"

/* Moves the child, which waits, into a cgroup of v1. */
int op_join_cgroup(struct run *r, const struct plan_op *op) {
  int fd = openat(r->fds[op->f[JOIN_CGROUP_CGROUP]], "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -errno;
  int error = dprintf(fd, "%d", (int)r->child) < 0 ? errno : 0;
  close(fd);
  return -error;
}

int op_cgroup_device(struct run *r, const struct plan_op *op) {
  uint64_t program = op->f[CGROUP_DEVICE_PROGRAM];
  return cgroup_device_program(r->fds[op->f[CGROUP_DEVICE_CGROUP]], plan_bytes(r->plan, program), plan_len(program));
}
