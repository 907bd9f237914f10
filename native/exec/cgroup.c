/* Ops on cgroups that are more than a write to one of their files. cgroups(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cgroup-device.h"
#include "common/systemd-job.h"
#include "run.h"

/* Moves the child, which waits. */
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

int op_systemd_job(struct run *r, const struct plan_op *op) {
  const uint8_t *stored = plan_bytes(r->plan, op->f[SYSTEMD_JOB_REQUEST]);
  size_t length = plan_len(op->f[SYSTEMD_JOB_REQUEST]) - TSR_DBUS_PREFIX_SIZE;
  char text[SYSTEMD_TEXT_SIZE];
  uint32_t pid_at, pid = (uint32_t)r->child;
  memcpy(&pid_at, stored, sizeof pid_at);
  /* The plan is sealed; the number of the child is only known here. */
  uint8_t *calls = malloc(length);
  if (calls == NULL) return -ENOMEM;
  memcpy(calls, stored + TSR_DBUS_PREFIX_SIZE, length);
  if (pid_at != 0) memcpy(calls + pid_at, &pid, sizeof pid);
  int result = systemd_job(run_str(r, op->f[SYSTEMD_JOB_BUS]), calls, length, text);
  free(calls);
  if (result < 0) run_detail(r, text);
  return result;
}
