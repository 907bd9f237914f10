/* Programs of type BPF_PROG_TYPE_CGROUP_DEVICE. bpf(2). */
#define _GNU_SOURCE
#include "common/cgroup-device.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sys_bpf(int command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }

static int load(const void *program, uint32_t length) {
  union bpf_attr attr = {0};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)program;
  attr.insn_cnt = length / (uint32_t)sizeof(struct bpf_insn);
  attr.license = (uint64_t)(uintptr_t)"Apache-2.0";
  int fd = sys_bpf(BPF_PROG_LOAD, &attr);
  return fd < 0 ? -errno : fd;
}

/* The program that is attached to this very cgroup: a descriptor, 0 for none, or -errno. */
static int attached(int cgroup) {
  uint32_t id = 0;
  union bpf_attr query = {0};
  query.query.target_fd = (uint32_t)cgroup;
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = (uint64_t)(uintptr_t)&id;
  query.query.prog_cnt = 1;
  if (sys_bpf(BPF_PROG_QUERY, &query) < 0) return errno == ENOSPC ? -EBUSY : -errno;
  if (query.query.prog_cnt == 0) return 0;
  union bpf_attr get = {0};
  get.prog_id = id;
  int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &get);
  return fd < 0 ? -errno : fd;
}

/* With BPF_F_ALLOW_MULTI the programs of the cgroups above are asked as well: nobody gains a device by it. */
int cgroup_device_program(int cgroup, const void *program, uint32_t length) {
  int former = attached(cgroup);
  if (former < 0) return former;
  int fd = load(program, length), error = 0;
  union bpf_attr attach = {0};
  attach.target_fd = (uint32_t)cgroup;
  attach.attach_bpf_fd = (uint32_t)fd;
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (former > 0) {
    attach.attach_flags |= BPF_F_REPLACE;
    attach.replace_bpf_fd = (uint32_t)former;
  }
  if (fd < 0) error = -fd;
  else if (sys_bpf(BPF_PROG_ATTACH, &attach) < 0) error = errno;
  if (fd >= 0) close(fd);
  if (former > 0) close(former);
  return -error;
}
