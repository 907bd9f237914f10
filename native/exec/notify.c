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
#include <sys/un.h>
#include <time.h>

#include "run.h"
#include "syscalls.h"

struct exchange {
  int listener; /* the descriptor + 1; 0: not yet; negative: the filter was refused */
  int sent;     /* 1: sent; 0: not yet; negative: -errno */
};

int op_connect_unix(struct run *r, const struct plan_op *op) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = run_str(r, op->f[CONNECT_UNIX_PATH]);
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return run_store(r, op->f[CONNECT_UNIX_INTO], fd);
  int error = errno;
  close(fd);
  return -error;
}

/* The parts of the message with the pid between them, and the descriptor with its first byte. */
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
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec rest;
  struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &listener, sizeof(int));
  for (size_t done = 0; done < length;) {
    rest = (struct iovec){.iov_base = text + done, .iov_len = length - done};
    ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? -errno : -EPIPE;
    done += (size_t)n;
    message.msg_control = NULL; /* the descriptor goes once */
    message.msg_controllen = 0;
  }
  return 1;
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
