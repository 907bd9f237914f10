#define _GNU_SOURCE
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "syscalls.h"

#define NOBODY 65534
#define MAX_CALLS 64

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static int close_others(const struct service *s) {
  unsigned first = STDERR_FILENO + 1;
  qsort(s->fds, s->n_fds, sizeof *s->fds, by_number);
  for (size_t i = 0; i < s->n_fds; i++) {
    unsigned fd = (unsigned)s->fds[i];
    if (fd > first && syscall(SYS_close_range, first, fd - 1, 0) < 0) return -errno;
    first = fd + 1;
  }
  return syscall(SYS_close_range, first, ~0u, 0) < 0 ? -errno : 0;
}

static int silence(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return -errno;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (dup2(null, fd) < 0) return -errno;
  return 0;
}

/* seccomp(2): a list of allowed calls. */
static int load_filter(const struct service *s) {
  struct sock_filter code[MAX_CALLS * 2 + 5];
  size_t n = 0;
  if (s->n_calls > MAX_CALLS) return -E2BIG;
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < s->n_calls; i++) {
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)s->calls[i], 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* Returns 0, or -errno. What it serves comes from the container, so nothing of the host may be in its reach. */
static int give_up_rights(const struct service *s, pid_t helper) {
  if (fchdir(s->root) < 0) return -errno;
  int error = silence();
  if (error == 0) error = close_others(s);
  if (error < 0) return error;
  if (chroot(".") < 0 || setgroups(0, NULL) < 0) return -errno;
  if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0) return -errno;
  if (!s->outlives_helper) {
    /* After the change of user, which clears it; and a helper that died just before would send no signal any more. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -errno;
    if (getppid() != helper) return -ESRCH;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  return 0;
}

/* `ready` is closed without a byte by the filter's success: what can fail has been done by then. */
static void become(const struct service *s, pid_t helper, int ready) {
  setsid(); /* a key of the terminal that stops or ends the helper's group is the helper's business */
  prctl(PR_SET_NAME, s->name, 0, 0, 0);
  int error = give_up_rights(s, helper);
  if (error == 0) error = load_filter(s);
  if (error < 0) {
    ssize_t told = write(ready, &error, sizeof error);
    _exit(told == (ssize_t)sizeof error ? 0 : 1);
  }
  close(ready);
  s->serve(s->argument);
  _exit(1);
}

int service_start(struct run *r, const struct service *service) {
  int pipe_fds[2], error = 0;
  if (r->n_services == MAX_SERVICES) return -EMFILE;
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return -errno;
  pid_t helper = getpid(), pid = fork();
  if (pid == 0) {
    struct service own = *service;
    int fds[own.n_fds + 1];
    for (size_t i = 0; i < own.n_fds; i++) fds[i] = own.fds[i];
    fds[own.n_fds] = pipe_fds[1];
    own.fds = fds;
    own.n_fds++;
    become(&own, helper, pipe_fds[1]);
  }
  if (pid < 0) error = -errno;
  close(pipe_fds[1]);
  if (pid > 0) {
    if (!service->outlives_helper) r->services[r->n_services++] = pid;
    ssize_t n;
    do n = read(pipe_fds[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
  }
  close(pipe_fds[0]);
  return error;
}

void services_end(struct run *r) {
  while (r->n_services > 0) {
    pid_t pid = r->services[--r->n_services];
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  }
}
