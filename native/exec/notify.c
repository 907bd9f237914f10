/* A system call filter that asks a supervisor, and how the supervisor gets its descriptor. seccomp_unotify(2).
 *
 * From the moment the filter is loaded, any call of this process may wait for an answer, also the one that would send the
 * descriptor. So a second process, without the filter but with the same table of descriptors, sends it; the two
 * talk by shared memory, without a call. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "common/unix-socket.h"
#include "run.h"
#include "syscalls.h"

struct exchange {
  int listener; /* the descriptor + 1; 0: not yet; negative: the filter was refused */
  int sent;     /* 1: sent; 0: not yet; negative: -errno */
};

int op_connect_unix(struct run *r, const struct plan_op *op) {
  int fd = unix_connect(run_str(r, op->f[CONNECT_UNIX_PATH]), SOCK_STREAM);
  return fd < 0 ? fd : run_store(r, op->f[CONNECT_UNIX_INTO], fd);
}

/* The parts of the message with the pid between them. Returns 1, or -errno. */
static int send_state(const struct run *r, uint64_t state, int socket, int listener) {
  char text[65536];
  size_t length = 0;
  const uint64_t *parts = plan_bytes(r->plan, state);
  for (uint32_t i = 0; i < plan_len(state); i++) {
    const char *part = plan_str(r->plan, parts[i]);
    size_t room = sizeof text - length;
    int n = i == 0 ? snprintf(text, room, "%s", part) : snprintf(text + length, room, "%d%s", (int)r->report->pid, part);
    if (n < 0 || (size_t)n >= room) return -E2BIG;
    length += (size_t)n;
  }
  int error = unix_send_fds(socket, text, &listener, 1);
  return error < 0 ? error : 1;
}

static _Noreturn void serve(const struct run *r, uint64_t state, int socket, struct exchange *shared) {
  const struct timespec pause = {.tv_nsec = 50000};
  int listener;
  while ((listener = __atomic_load_n(&shared->listener, __ATOMIC_ACQUIRE)) == 0) nanosleep(&pause, NULL);
  if (listener > 0) __atomic_store_n(&shared->sent, send_state(r, state, socket, listener - 1), __ATOMIC_RELEASE);
  _exit(0);
}

int op_seccomp_notify(struct run *r, const struct plan_op *op) {
  uint64_t program = op->f[SECCOMP_NOTIFY_PROGRAM];
  struct sock_fprog filter = {
      .len = (unsigned short)(plan_len(program) / sizeof(struct sock_filter)),
      .filter = (struct sock_filter *)(uintptr_t)plan_bytes(r->plan, program),
  };
  if (plan_len(program) % sizeof(struct sock_filter) != 0 || plan_len(program) / sizeof(struct sock_filter) > BPF_MAXINSNS) return -EINVAL;
  struct exchange *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return -errno;
  /* Nobody has to wait for the sender; the exec takes this setting back (fs/exec.c, flush_signal_handlers). */
  struct sigaction leave = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  if (sigaction(SIGCHLD, &leave, NULL) < 0) return -errno;
  pid_t sender = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (sender == 0) serve(r, op->f[SECCOMP_NOTIFY_STATE], r->fds[op->f[SECCOMP_NOTIFY_SOCKET]], shared);
  if (sender < 0) return -errno;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->f[SECCOMP_NOTIFY_FLAGS], &filter), error = errno;
  __atomic_store_n(&shared->listener, listener < 0 ? -1 : listener + 1, __ATOMIC_RELEASE);
  if (listener < 0) return -error;
  int sent;
  while ((sent = __atomic_load_n(&shared->sent, __ATOMIC_ACQUIRE)) == 0) continue; /* microseconds; every call could wait for ever */
  return sent < 0 ? sent : 0;
}
