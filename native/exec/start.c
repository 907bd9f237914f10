/* Ops of a container that is made now and started later, by another process (OCI runtime-spec, runtime.md, Lifecycle). */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/unix-socket.h"
#include "run.h"

int op_listen(struct run *r, const struct plan_op *op) {
  int fd = unix_listen(r->fds[op->f[LISTEN_AT]], run_str(r, op->f[LISTEN_PATH]), SOCK_SEQPACKET);
  return fd < 0 ? fd : run_store(r, op->f[LISTEN_INTO], fd);
}

/* The connection is closed by execve, or with this process: whoever started the container sees its end, and then finds in the
 * report which of the two it was. Who comes second finds that nobody listens any more. */
int op_await_start(struct run *r, const struct plan_op *op) {
  int listening = r->fds[op->f[AWAIT_START_SOCKET]];
  do r->starter = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
  while (r->starter < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (r->starter < 0) return -errno;
  shutdown(listening, SHUT_RD);
  const int fds[] = {r->plan_fd, r->report_fd};
  return unix_send_fds(r->starter, "go", fds, 2);
}

int op_tell_host(struct run *r, const struct plan_op *op) {
  (void)op;
  return send(r->sync, "ok", 2, MSG_NOSIGNAL) == 2 ? 0 : -errno;
}

int op_await_child(struct run *r, const struct plan_op *op) {
  (void)op;
  char message[2];
  ssize_t n;
  do n = recv(r->sync, message, sizeof message, 0);
  while (n < 0 && errno == EINTR);
  return n == 2 ? 0 : n < 0 ? -errno : -ECHILD;
}

int op_hand_over(struct run *r, const struct plan_op *op) {
  int to = unix_connect(run_str(r, op->f[HAND_OVER_PATH]), SOCK_STREAM);
  if (to < 0) return to;
  int error = unix_send_fds(to, run_str(r, op->f[HAND_OVER_TEXT]), &r->fds[op->f[HAND_OVER_FD]], 1);
  close(to);
  return error;
}
