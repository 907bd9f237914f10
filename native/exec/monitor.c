/* After the start: pass signals and terminal bytes on until the container's first process has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "run.h"
#include "syscalls.h"

/* Signals that are about this process itself, or that only the kernel sends for a reason of this process's. */
static const int own_signals[] = {SIGCHLD, SIGPIPE, SIGTSTP, SIGTTIN, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

static void forwarded(sigset_t *set) {
  sigfillset(set);
  for (size_t i = 0; i < sizeof own_signals / sizeof *own_signals; i++) sigdelset(set, own_signals[i]);
}

void monitor_block_signals(void) {
  /* Node, which this process was before, ignores some signals; an ignored signal stays ignored across execve. */
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  forwarded(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
}

void monitor_unblock_signals(void) {
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

struct terminal {
  int master; /* -1: the container has none */
  int input;  /* where typed bytes come from; -1: nowhere, or no longer */
  int raw;    /* the caller's terminal was put into raw mode */
  struct termios saved;
};

static void terminal_start(struct terminal *t, const struct run *r) {
  const struct plan_header *h = r->plan->header;
  *t = (struct terminal){.master = -1, .input = -1};
  if (h->terminal == TSR_NO_FD) return;
  t->master = r->fds[h->terminal];
  if (!h->interactive) return;
  t->input = STDIN_FILENO;
  if (tcgetattr(STDIN_FILENO, &t->saved) < 0) return;
  struct termios raw = t->saved;
  cfmakeraw(&raw);
  t->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void terminal_stop(struct terminal *t) {
  if (t->raw) tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
}

static void terminal_resize(const struct terminal *t) {
  struct winsize size;
  if (t->master < 0) return;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
      ioctl(t->master, TIOCSWINSZ, &size);
      return;
    }
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
      continue;
    }
    if (n < 0) return -1;
    bytes += n;
    length -= (size_t)n;
  }
  return 0;
}

/* Copies what is there. Returns 0 at the end of the stream. */
static int copy(int from, int to) {
  char buffer[32768];
  ssize_t n = read(from, buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return 1;
  return n > 0 && write_all(to, buffer, (size_t)n) == 0;
}

static void forward_signal(const struct run *r, int signals, const struct terminal *t) {
  struct signalfd_siginfo info;
  if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) return;
  if (info.ssi_signo == SIGWINCH && t->master >= 0) terminal_resize(t);
  else syscall(SYS_pidfd_send_signal, r->pidfd, (int)info.ssi_signo, NULL, 0);
}

/* What the container's last bytes still in the terminal are: read without waiting for more. */
static void drain(int master) {
  while (poll(&(struct pollfd){.fd = master, .events = POLLIN}, 1, 0) > 0 && copy(master, STDOUT_FILENO)) continue;
}

void monitor_serve(struct run *r) {
  struct terminal t;
  sigset_t set;
  forwarded(&set);
  int signals = signalfd(-1, &set, SFD_CLOEXEC);
  terminal_start(&t, r);
  terminal_resize(&t);
  for (;;) {
    struct pollfd fds[] = {
        {.fd = r->pidfd, .events = POLLIN},
        {.fd = signals, .events = POLLIN},
        {.fd = t.master, .events = POLLIN},
        {.fd = t.input, .events = POLLIN},
    };
    if (poll(fds, 4, -1) < 0 && errno != EINTR) break;
    if (fds[1].revents & POLLIN) forward_signal(r, signals, &t);
    if (fds[2].revents && !copy(t.master, STDOUT_FILENO)) t.master = -1;
    if (fds[3].revents && (t.master < 0 || !copy(t.input, t.master))) t.input = -1;
    if (fds[0].revents & POLLIN) break;
  }
  int status = 0;
  while (waitpid(r->child, &status, __WALL) < 0 && errno == EINTR) continue;
  if (t.master >= 0) drain(t.master);
  terminal_stop(&t);
  close(signals);
  r->report->wait_status = status;
  r->report->state = STATE_ENDED;
}
