/* tsrun-exec: runs an encoded plan: a container, or, without clone3, a change to one that runs.
 *
 *   tsrun-exec run PLAN REPORT     two descriptors: the sealed plan, and the memory to report in
 *   tsrun-exec check               reads plans, each after its length in 4 bytes, and says of each in a line what is
 *                                  wrong with it, or that it is sound; runs nothing
 *
 * Exit status of run: the container's (128 + n for a signal), or 125 when an op failed. 0 when the plan says that the
 * container is left to itself, which then is a child of whoever takes in orphans. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "run.h"
#include "service.h"
#include "syscalls.h"

extern char **environ;

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define EXIT_ENGINE 125

static int complain(const char *what, const char *why) {
  fprintf(stderr, "tsrun-exec: %s: %s\n", what, why);
  return EXIT_ENGINE;
}

static const void *map_file(int fd, size_t *size, int protection, int flags) {
  struct stat st;
  if (fstat(fd, &st) < 0) return NULL;
  *size = (size_t)st.st_size;
  if (*size == 0) {
    errno = ENODATA;
    return NULL;
  }
  void *bytes = mmap(NULL, *size, protection, flags, fd, 0);
  return bytes == MAP_FAILED ? NULL : bytes;
}

/* By number, for there may be no pidfd: the child keeps its number until it is waited for here. */
static void end_child(struct run *r) {
  if (r->child <= 0) return;
  kill(r->child, SIGKILL);
  while (waitpid(r->child, NULL, __WALL) < 0 && errno == EINTR) continue;
}

static int exit_code(const struct report *report) {
  if (report->state != STATE_ENDED) return EXIT_ENGINE;
  int status = report->wait_status;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Where children would be born elsewhere the kernel makes no threads, which Node needs: clone(2), EINVAL. */
static void come_home(const char *namespace, int type) {
  int fd = open(namespace, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  setns(fd, type);
  close(fd);
}

/* Becomes the program that explains the failure, which finds plan and report at the given descriptors. */
static void become_reporter(const struct plan *plan, const char *plan_fd, const char *report_fd) {
  uint32_t n = plan_len(plan->header->reporter);
  if (n == 0) return;
  const uint64_t *refs = plan_bytes(plan, plan->header->reporter);
  char **args = calloc(n + 3, sizeof *args);
  if (args == NULL) return;
  for (uint32_t i = 0; i < n; i++) args[i] = (char *)(uintptr_t)plan_str(plan, refs[i]);
  args[n] = (char *)(uintptr_t)plan_fd;
  args[n + 1] = (char *)(uintptr_t)report_fd;
  fcntl(atoi(plan_fd), F_SETFD, 0);
  fcntl(atoi(report_fd), F_SETFD, 0);
  monitor_unblock_signals();
  come_home("/proc/self/ns/pid", CLONE_NEWPID);
  come_home("/proc/self/ns/time", CLONE_NEWTIME);
  execve(args[0], args, environ);
  complain(args[0], strerror(errno));
}

static int run(const char *plan_fd, const char *report_fd) {
  size_t plan_size, report_size;
  struct plan plan;
  const void *bytes = map_file(atoi(plan_fd), &plan_size, PROT_READ, MAP_PRIVATE);
  if (bytes == NULL) return complain("cannot read the plan", strerror(errno));
  const char *fault = plan_check(&plan, bytes, plan_size);
  if (fault != NULL) return complain("refused a broken plan", fault);
  struct report *report = (struct report *)(uintptr_t)map_file(atoi(report_fd), &report_size, PROT_READ | PROT_WRITE, MAP_SHARED);
  if (report == NULL) return complain("cannot map the report", strerror(errno));
  if (report_size < sizeof *report + plan.header->n_ops * sizeof(struct report_op)) return complain("refused the report", "too small");

  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return complain("socketpair", strerror(errno));
  struct run r = {.plan = &plan, .report = report, .sync = pair[0], .child_sync = pair[1], .pidfd = -1,
                  .plan_fd = atoi(plan_fd), .report_fd = atoi(report_fd), .starter = -1, .notify_from = -1, .notify_to = -1};
  for (int i = 0; i < TSR_MAX_FDS; i++) r.fds[i] = FD_CLOSED;
  fcntl(r.plan_fd, F_SETFD, FD_CLOEXEC);
  fcntl(r.report_fd, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no process of a joined namespace may look into this one (CVE-2016-9962) */
  monitor_block_signals();

  int walked = run_walk(&r);
  if (r.is_child) _exit(EXIT_ENGINE); /* only a failed op comes back here in the child */
  if (walked == 0 && r.child > 0 && plan.header->leaves != LEAVES_WAITING) await_exec(&r);
  int failed = report->state == STATE_FAILED;
  if (!failed && plan.header->leaves != LEAVES_NEVER) {
    ready_await(&r);
    return 0;
  }
  if (failed) {
    end_child(&r);
  } else if (r.child <= 0) {
    report->state = STATE_ENDED; /* a plan without a process of its own is done */
  } else {
    report->state = STATE_RUNNING;
    monitor_serve(&r);
  }
  services_end(&r); /* before the cleanup: their sockets keep the network namespace alive */
  run_cleanup(&r, failed);
  if (failed) become_reporter(&plan, plan_fd, report_fd);
  return exit_code(report);
}

/* A caller may have closed a standard descriptor; the next file opened would then be the container's input or output. */
static int keep_standard_fds_open(void) {
  for (;;) {
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0) return -1;
    if (fd > STDERR_FILENO) return close(fd);
  }
}

int main(int argc, char **argv) {
  if (keep_standard_fds_open() < 0) return EXIT_ENGINE;
  if (argc == 2 && strcmp(argv[1], "check") == 0) return check_plans();
  if (argc == 4 && strcmp(argv[1], "run") == 0) return run(argv[2], argv[3]);
  fputs("usage: tsrun-exec run PLAN-FD REPORT-FD | check < PLANS\n", stderr);
  return EXIT_ENGINE;
}
