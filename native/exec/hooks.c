/* Hooks: programs of others at points of a container's life (OCI runtime-spec, config.md, POSIX-platform Hooks). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"
#include "syscalls.h"

/* The container's pid as the hook sees it: one that is run inside sees it from there (runtime.md, State). */
static int container_pid(const struct run *r) {
  if (r->is_child) return getpid();
  /* When the container has ended, nobody has its pid. */
  return r->report->state >= STATE_ENDED ? 0 : (int)r->report->pid;
}

/* The state, whole before the hook begins: one that does not read it keeps nobody waiting. */
static int state_file(const struct run *r, const struct plan_op *op) {
  int fd = memfd_create("state", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  const char *rest = run_str(r, op->f[RUN_HOOK_REST]);
  dprintf(fd, "%s", run_str(r, op->f[RUN_HOOK_STATE]));
  if (*rest) dprintf(fd, "%d%s", container_pid(r), rest);
  return lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd;
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What it says on standard error, up to `size`, until it has ended or the time is over: whoever still has its standard error
 * then may go on writing. Returns 0 when it has ended. */
static int follow(int pidfd, int errors, char *said, size_t size, long timeout) {
  size_t length = 0;
  long end = now_ms() + timeout;
  for (;;) {
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN}, {.fd = errors, .events = POLLIN}};
    long left = timeout ? end - now_ms() : -1;
    if (timeout && left <= 0) return -ETIMEDOUT;
    if (poll(fds, 2, (int)left) < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (fds[1].revents) {
      char bytes[256];
      ssize_t n = read(errors, bytes, sizeof bytes);
      if (n <= 0) errors = -1;
      for (ssize_t i = 0; i < n && length + 1 < size; i++) said[length++] = bytes[i];
      said[length] = 0;
    }
    if (fds[0].revents) return 0;
  }
}

static void become_hook(int input, int errors, const char *path, char **args, char **env) {
  monitor_unblock_signals();
  setpgid(0, 0);
  if (dup2(input, STDIN_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) _exit(127);
  execve(path, args, env);
  dprintf(STDERR_FILENO, "%s", strerror(errno));
  _exit(127);
}

int op_run_hook(struct run *r, const struct plan_op *op) {
  char said[160] = "", detail[REPORT_DETAIL_SIZE];
  const char *path = run_str(r, op->f[RUN_HOOK_PATH]);
  char **args = run_strings(r, op->f[RUN_HOOK_ARGS]), **env = run_strings(r, op->f[RUN_HOOK_ENV]);
  int pipe_fds[2], state = state_file(r, op);
  if (args == NULL || env == NULL) return -ENOMEM;
  if (state < 0) return state;
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return -errno;
  pid_t pid = fork();
  if (pid == 0) become_hook(state, pipe_fds[1], path, args, env);
  int error = pid < 0 ? -errno : 0;
  close(state);
  close(pipe_fds[1]);
  free(args);
  free(env);
  if (error) return close(pipe_fds[0]), error;

  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0;
  error = pidfd < 0 ? -errno : follow(pidfd, pipe_fds[0], said, sizeof said, (long)op->f[RUN_HOOK_TIMEOUT]);
  if (error) kill(-pid, SIGKILL); /* its own children too: they are in its process group */
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  close(pidfd);
  close(pipe_fds[0]);
  if (!error && status == 0) return 0;
  said[strcspn(said, "\n")] = 0;
  const char *by = strsignal(WTERMSIG(status));
  if (error) snprintf(detail, sizeof detail, "%s", error == -ETIMEDOUT ? "timeout" : strerror(-error));
  else if (WIFSIGNALED(status)) snprintf(detail, sizeof detail, "signal: %c%s", *by | 0x20, by + 1); /* "bad system call" */
  else snprintf(detail, sizeof detail, "exit status %d%s%s", WEXITSTATUS(status), *said ? ": " : "", said);
  run_detail(r, detail);
  return error ? error : -ECANCELED;
}
