/* A container that says when it is ready: the helper passes it on. sd_notify(3). */
#define _GNU_SOURCE
#include <unistd.h>

#include "common/notify-socket.h"
#include "run.h"

/* The host's socket first: a container that can tell nobody is not started. */
int op_listen_notify(struct run *r, const struct plan_op *op) {
  int to = notify_connect(run_str(r, op->f[LISTEN_NOTIFY_HOST]));
  if (to < 0) return to;
  int from = notify_listen(r->fds[op->f[LISTEN_NOTIFY_AT]], run_str(r, op->f[LISTEN_NOTIFY_PATH]));
  if (from < 0) return close(to), from;
  r->notify_from = from;
  r->notify_to = to;
  return 0;
}

static void ready_end(struct run *r) {
  if (r->notify_from < 0) return;
  close(r->notify_from);
  close(r->notify_to);
  r->notify_from = r->notify_to = -1;
}

void ready_pass(struct run *r) {
  if (notify_pass(r->notify_from, r->notify_to, getpid()) != 0) ready_end(r);
}

void ready_await(struct run *r) {
  if (r->notify_from < 0) return;
  monitor_unblock_signals(); /* nobody else would end it while it waits */
  notify_until_ready(r->notify_from, r->notify_to, r->child, r->pidfd);
  ready_end(r);
}
