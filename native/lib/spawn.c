/* Starting the helper from a process of any size: clone with shared memory, as vfork does, on a stack of its own. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct start {
  int helper, plan, report;
  char plan_text[12], report_text[12];
  sigset_t signals;
  int error; /* the child's errno: memory is shared */
};

/* Runs in the parent's memory: system calls only. */
static int child(void *data) {
  struct start *s = data;
  char *args[] = {"tsrun-exec", "run", s->plan_text, s->report_text, NULL};
  sigset_t none;
  sigemptyset(&none);
  /* Node marks every descriptor close-on-exec, its standard ones too. */
  for (int fd = 0; fd < 3; fd++) fcntl(fd, F_SETFD, 0);
  if (fcntl(s->plan, F_SETFD, 0) == 0 && fcntl(s->report, F_SETFD, 0) == 0) {
    sigprocmask(SIG_SETMASK, &none, NULL);
    fexecve(s->helper, args, environ);
  }
  s->error = errno;
  _exit(127);
}

int32_t tsr_spawn_helper(int32_t helper, int32_t plan, int32_t report) {
  struct start s = {.helper = helper, .plan = plan, .report = report};
  snprintf(s.plan_text, sizeof s.plan_text, "%d", plan);
  snprintf(s.report_text, sizeof s.report_text, "%d", report);
  static _Thread_local char stack[64 * 1024] __attribute__((aligned(16)));
  /* A handler of this process must not run in the child, which still shares its memory. */
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &s.signals);
  int pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &s);
  int error = pid < 0 ? errno : s.error;
  pthread_sigmask(SIG_SETMASK, &s.signals, NULL);
  if (error == 0) return pid;
  if (pid > 0) waitpid(pid, NULL, 0);
  return -error;
}

static volatile sig_atomic_t waited_pid;

/* What the terminal sends reaches the whole foreground group, the child too; only what a process sent is passed on. */
static void pass_on(int number, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code <= 0) kill(waited_pid, number);
}

int32_t tsr_wait(int32_t pid) {
  static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
  enum { COUNT = sizeof numbers / sizeof *numbers };
  struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART}, saved[COUNT];
  waited_pid = pid;
  for (int i = 0; i < COUNT; i++) sigaction(numbers[i], &action, &saved[i]);
  int status = 0, result;
  do result = waitpid(pid, &status, 0);
  while (result < 0 && errno == EINTR);
  int error = errno;
  for (int i = 0; i < COUNT; i++) sigaction(numbers[i], &saved[i], NULL);
  if (result < 0) return -error;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int32_t tsr_pass_on(int32_t fd) { return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0; }
