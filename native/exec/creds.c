/* Ops on credentials: capabilities, users, groups, and the seccomp filter that holds them all together. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "run.h"
#include "syscalls.h"

static int result(int value) { return value < 0 ? -errno : value; }

/* Capability numbers end where the kernel answers EINVAL: a newer kernel has more of them than this file knows. */
int op_drop_bounding(struct run *r, const struct plan_op *op) {
  (void)r;
  for (int cap = 0; cap < 64; cap++) {
    if (op->f[DROP_BOUNDING_KEEP] >> cap & 1) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
    return errno == EINVAL && cap > 0 ? 0 : -errno;
  }
  return 0;
}

int op_capset(struct run *r, const struct plan_op *op) {
  (void)r;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].effective = (uint32_t)(op->f[CAPSET_EFFECTIVE] >> 32 * half);
    data[half].permitted = (uint32_t)(op->f[CAPSET_PERMITTED] >> 32 * half);
    data[half].inheritable = (uint32_t)(op->f[CAPSET_INHERITABLE] >> 32 * half);
  }
  return result((int)syscall(SYS_capset, &header, data));
}

int op_ambient(struct run *r, const struct plan_op *op) {
  (void)r;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
  for (int cap = 0; cap < 64; cap++)
    if (op->f[AMBIENT_MASK] >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) return -errno;
  return 0;
}

/* The raw calls change this thread alone, which is all there is; the C library's would try to tell others. */
int op_setgroups(struct run *r, const struct plan_op *op) {
  uint64_t groups = op->f[SETGROUPS_GROUPS];
  return result((int)syscall(SYS_setgroups, plan_len(groups), plan_bytes(r->plan, groups)));
}

int op_setresgid(struct run *r, const struct plan_op *op) {
  (void)r;
  gid_t gid = (gid_t)op->f[SETRESGID_GID];
  return result((int)syscall(SYS_setresgid, gid, gid, gid));
}

int op_setresuid(struct run *r, const struct plan_op *op) {
  (void)r;
  uid_t uid = (uid_t)op->f[SETRESUID_UID];
  return result((int)syscall(SYS_setresuid, uid, uid, uid));
}

int op_seccomp(struct run *r, const struct plan_op *op) {
  uint64_t program = op->f[SECCOMP_PROGRAM];
  struct sock_fprog filter = {
      .len = (unsigned short)(plan_len(program) / sizeof(struct sock_filter)),
      .filter = (struct sock_filter *)(uintptr_t)plan_bytes(r->plan, program),
  };
  if (plan_len(program) % sizeof(struct sock_filter) != 0 || plan_len(program) / sizeof(struct sock_filter) > BPF_MAXINSNS) return -EINVAL;
  return result((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->f[SECCOMP_FLAGS], &filter));
}
