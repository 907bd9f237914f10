/* The walk over a plan: one loop, in two processes. The host process runs its ops in order; at clone3 a child
 * is born into the middle of the loop and goes on with the child's ops, up to execve. */
#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static op_fn *const handlers[] = {
#define HANDLER(NAME, name, ...) [OP_##NAME] = op_##name,
    TSR_OPS(HANDLER)
#undef HANDLER
};

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int tolerated(const struct plan_op *op, int error) {
  static const struct { int error; uint32_t bit; } table[] = {
      {ENOENT, TOLERATE_ENOENT}, {ENOTDIR, TOLERATE_ENOTDIR}, {EPERM, TOLERATE_EPERM}, {EINVAL, TOLERATE_EINVAL},
      {ENOSYS, TOLERATE_ENOSYS}, {EEXIST, TOLERATE_EEXIST},   {ENOTTY, TOLERATE_ENOTTY},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].error == error) return (op->tolerate & table[i].bit) != 0;
  return 0;
}

/* Looks at the descriptors an op needs: 0 all open, 1 one is absent, -EBADF one was never opened. */
static int inputs(const struct run *r, const struct plan_op *op, const uint8_t *kinds) {
  for (int n = 0; n < TSR_MAX_FIELDS; n++) {
    if (kinds[n] != KIND_FD && !(kinds[n] == KIND_AT && op->f[n] != TSR_NO_FD)) continue;
    int fd = r->fds[op->f[n]];
    if (fd == FD_ABSENT) return 1;
    if (fd < 0) return -EBADF;
  }
  return 0;
}

static void outputs_absent(struct run *r, const struct plan_op *op, const uint8_t *kinds) {
  for (int n = 0; n < TSR_MAX_FIELDS; n++)
    if (kinds[n] == KIND_INTO) run_store(r, op->f[n], FD_ABSENT);
}

static int run_op(struct run *r, uint32_t index) {
  const struct plan_op *op = &r->plan->ops[index];
  const uint8_t *kinds = plan_kinds(op->code);
  struct report_op *entry = &r->report->ops[index];
  uint64_t start = now_ns();
  entry->start_ns = start;
  entry->end_ns = start;
  if (op->code == OP_EXECVE) entry->state = OP_DONE; /* nothing runs here after an exec that succeeds */
  int result = inputs(r, op, kinds);
  if (result == 0) result = handlers[op->code](r, op);
  else if (result > 0) {
    outputs_absent(r, op, kinds);
    entry->state = OP_SKIPPED;
    return 0;
  }
  /* The child that clone3 made must not touch the entry: it is the host's to close. */
  if (op->code == OP_CLONE3 && r->is_child) return 0;
  entry->end_ns = now_ns();
  entry->result = result;
  if (result >= 0) {
    entry->state = OP_DONE;
    return 0;
  }
  if (tolerated(op, -result)) {
    outputs_absent(r, op, kinds);
    run_detail(r, ""); /* it is not what a later failure is about */
    entry->state = OP_TOLERATED;
    return 0;
  }
  entry->state = OP_FAILED;
  return result;
}

int run_walk(struct run *r) {
  for (uint32_t i = 0; i < r->plan->header->n_ops; i++) {
    if (r->plan->ops[i].who != (r->is_child ? WHO_CHILD : WHO_HOST)) continue;
    if (r->is_child) r->report->child_at = i;
    int result = run_op(r, i);
    if (result >= 0) continue;
    /* The first failure is the cause; the other process may fail because of it. */
    uint32_t preparing = STATE_PREPARING;
    if (__atomic_compare_exchange_n(&r->report->state, &preparing, STATE_FAILED, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      r->report->failed_op = i;
      r->report->error = -result;
    }
    return -1;
  }
  return 0;
}

void run_cleanup(struct run *r, int failed) {
  for (uint32_t i = r->plan->header->n_ops; i-- > 0;) {
    uint16_t who = r->plan->ops[i].who;
    if (who == WHO_CLEANUP || (who == WHO_UNDO && failed)) run_op(r, i);
  }
}

int run_fd(const struct run *r, uint64_t number) { return number == TSR_NO_FD ? AT_FDCWD : r->fds[number]; }

int run_store(struct run *r, uint64_t number, int fd) {
  if (fd < 0 && fd != FD_ABSENT) return fd;
  if (r->fds[number] >= 0) close(r->fds[number]);
  r->fds[number] = fd;
  return fd < 0 ? 0 : fd;
}

void run_detail(struct run *r, const char *text) {
  if (r->report->state != STATE_PREPARING) return; /* cleanup does not overwrite what the failure left */
  size_t n = strnlen(text, sizeof r->report->detail - 1);
  memcpy(r->report->detail, text, n);
  r->report->detail[n] = 0;
}

const char *run_str(const struct run *r, uint64_t ref) { return plan_str(r->plan, ref); }

char **run_strings(const struct run *r, uint64_t ref) {
  const uint64_t *refs = plan_bytes(r->plan, ref);
  char **list = calloc((size_t)plan_len(ref) + 1, sizeof *list);
  for (uint32_t i = 0; list != NULL && i < plan_len(ref); i++) list[i] = (char *)(uintptr_t)plan_str(r->plan, refs[i]);
  return list;
}
