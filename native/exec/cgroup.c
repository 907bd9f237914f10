/* Ops on cgroups that are more than a write to one of their files. bpf(2), cgroups(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "syscalls.h"

/* Moves the child, which waits, into a cgroup of v1. */
int op_join_cgroup(struct run *r, const struct plan_op *op) {
  int fd = openat(r->fds[op->f[JOIN_CGROUP_CGROUP]], "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -errno;
  int error = dprintf(fd, "%d", (int)r->child) < 0 ? errno : 0;
  close(fd);
  return -error;
}

static int sys_bpf(int command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }

/* With BPF_F_ALLOW_MULTI a program of a cgroup above is asked as well: nobody gains a device by it. */
int op_cgroup_device(struct run *r, const struct plan_op *op) {
  uint64_t program = op->f[CGROUP_DEVICE_PROGRAM];
  union bpf_attr load = {0};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = (uint64_t)(uintptr_t)plan_bytes(r->plan, program);
  load.insn_cnt = plan_len(program) / (uint32_t)sizeof(struct bpf_insn);
  load.license = (uint64_t)(uintptr_t)"Apache-2.0";
  int fd = sys_bpf(BPF_PROG_LOAD, &load);
  if (fd < 0) return -errno;
  union bpf_attr attach = {0};
  attach.target_fd = (uint32_t)r->fds[op->f[CGROUP_DEVICE_CGROUP]];
  attach.attach_bpf_fd = (uint32_t)fd;
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  int error = sys_bpf(BPF_PROG_ATTACH, &attach) < 0 ? errno : 0;
  close(fd);
  return -error;
}
