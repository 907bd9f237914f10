/* Ops on cgroups that are more than a write to one of their files. cgroups(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cgroup-device.h"
#include "common/systemd-job.h"
#include "run.h"
#include "syscalls.h"

/* Moves the child, which waits. */
int op_join_cgroup(struct run *r, const struct plan_op *op) {
  int fd = openat(r->fds[op->f[JOIN_CGROUP_CGROUP]], "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -errno;
  int error = dprintf(fd, "%d", (int)r->child) < 0 ? errno : 0;
  close(fd);
  return -error;
}

static _Noreturn void hold(pid_t helper) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  setsid(); /* a key of the terminal that ends or stops the helper's group does not stop this one */
  prctl(PR_SET_NAME, "tsrun-hold", 0, 0, 0);
  syscall(SYS_close_range, 0, ~0u, 0); /* nobody waits for the end of a pipe because of it */
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  while (getppid() == helper) pause();
  _exit(0);
}

/* Born there: a process that moved would be in the way of `systemctl stop` of the unit it came from. */
int op_hold_cgroup(struct run *r, const struct plan_op *op) {
  if (r->holder > 0) return -EBUSY;
  struct clone3_args args = {.flags = CLONE_INTO_CGROUP, .cgroup = (uint64_t)r->fds[op->f[HOLD_CGROUP_CGROUP]], .exit_signal = SIGCHLD};
  pid_t helper = getpid(), pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) hold(helper);
  if (pid < 0) return -errno;
  r->holder = pid;
  return 0;
}

int op_release_cgroup(struct run *r, const struct plan_op *op) {
  (void)op;
  if (r->holder <= 0) return 0;
  kill(r->holder, SIGKILL);
  while (waitpid(r->holder, NULL, 0) < 0 && errno == EINTR) continue;
  r->holder = 0;
  return 0;
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
