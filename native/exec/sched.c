/* Ops on how the kernel serves the process: processors, disks, memory nodes. sched(7), ioprio_set(2), set_mempolicy(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>

#include "run.h"
#include "syscalls.h"

#define IOPRIO_WHO_PGRP 2
#define IOPRIO_CLASS_SHIFT 13

/* struct sched_attr as of Linux 3.14; include/uapi/linux/sched/types.h. */
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct scheduling) == 48, "SCHED_ATTR_SIZE_VER0");

static int result(long value) { return value < 0 ? -errno : (int)value; }

int op_sched_setattr(struct run *r, const struct plan_op *op) {
  (void)r;
  struct scheduling attr = {
      .size = sizeof attr,
      .policy = (uint32_t)op->f[SCHED_SETATTR_POLICY],
      .flags = op->f[SCHED_SETATTR_FLAGS],
      .nice = (int32_t)op->f[SCHED_SETATTR_NICE],
      .priority = (uint32_t)op->f[SCHED_SETATTR_PRIORITY],
      .runtime = op->f[SCHED_SETATTR_RUNTIME],
      .deadline = op->f[SCHED_SETATTR_DEADLINE],
      .period = op->f[SCHED_SETATTR_PERIOD],
  };
  return result(syscall(SYS_sched_setattr, 0, &attr, 0));
}

int op_sched_setaffinity(struct run *r, const struct plan_op *op) {
  uint64_t cpus = op->f[SCHED_SETAFFINITY_CPUS];
  return result(syscall(SYS_sched_setaffinity, 0, (unsigned long)plan_len(cpus), plan_bytes(r->plan, cpus)));
}

/* Of the process group, which after setsid is this process and all that come from it. */
int op_ioprio_set(struct run *r, const struct plan_op *op) {
  (void)r;
  unsigned priority = (unsigned)op->f[IOPRIO_SET_CLASS] << IOPRIO_CLASS_SHIFT | (unsigned)op->f[IOPRIO_SET_LEVEL];
  return result(syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, 0, priority));
}

/* The kernel takes one bit less than it is told: mm/mempolicy.c, get_nodes. */
int op_set_mempolicy(struct run *r, const struct plan_op *op) {
  uint64_t nodes = op->f[SET_MEMPOLICY_NODES];
  unsigned long bits = plan_len(nodes) * 8ul;
  const void *mask = bits == 0 ? NULL : plan_bytes(r->plan, nodes);
  return result(syscall(SYS_set_mempolicy, (int)op->f[SET_MEMPOLICY_MODE], mask, bits == 0 ? 0 : bits + 1));
}
