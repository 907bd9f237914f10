/* After the start: pass signals and terminal bytes on until the container's first process has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "run.h"
#include "syscalls.h"

/* Exit status 125, as wait(2) gives it, should the container's own not be known. */
#define EXIT_UNKNOWN (125 << 8)

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

/* One direction of the terminal: bytes that were read and not yet written. Neither side is waited for: a program that
 * does not read its input must not keep its output, or a signal, from being passed on. */
struct stream {
  int from, to; /* -1: closed */
  size_t start, end;
  char bytes[32768];
};

struct terminal {
  int master; /* -1: the container has none */
  int raw;    /* the caller's terminal was put into raw mode */
  struct termios saved;
  struct stream in, out;
};

/* In the background the kernel stops this process at tcsetattr, as it should: the terminal is another's then. */
static int set_caller_terminal(const struct termios *mode) {
  sigset_t ttou;
  sigemptyset(&ttou);
  sigaddset(&ttou, SIGTTOU);
  sigprocmask(SIG_UNBLOCK, &ttou, NULL);
  int done;
  do done = tcsetattr(STDIN_FILENO, TCSANOW, mode);
  while (done < 0 && errno == EINTR);
  sigprocmask(SIG_BLOCK, &ttou, NULL);
  return done;
}

static void terminal_start(struct terminal *t, const struct run *r) {
  const struct plan_header *h = r->plan->header;
  t->master = h->terminal == TSR_NO_FD ? -1 : r->fds[h->terminal];
  t->raw = 0;
  t->out = (struct stream){.from = t->master, .to = t->master < 0 ? -1 : STDOUT_FILENO};
  t->in = (struct stream){.from = -1, .to = t->master};
  if (t->master < 0) return;
  fcntl(t->master, F_SETFL, O_RDWR | O_NONBLOCK);
  if (!h->interactive) return;
  t->in.from = STDIN_FILENO;
  if (tcgetattr(STDIN_FILENO, &t->saved) < 0) return;
  struct termios raw = t->saved;
  cfmakeraw(&raw);
  t->raw = set_caller_terminal(&raw) == 0;
}

static void terminal_stop(struct terminal *t) {
  if (t->raw) tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
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

static int stream_empty(const struct stream *s) { return s->start == s->end; }

static struct pollfd readable(const struct stream *s) {
  return (struct pollfd){.fd = stream_empty(s) ? s->from : -1, .events = POLLIN};
}

static struct pollfd writable(const struct stream *s) {
  return (struct pollfd){.fd = stream_empty(s) ? -1 : s->to, .events = POLLOUT};
}

static int try_again(ssize_t n) { return n < 0 && (errno == EINTR || errno == EAGAIN); }

/* Returns -1 when nothing more will come. */
static int stream_read(struct stream *s) {
  ssize_t n = read(s->from, s->bytes, sizeof s->bytes);
  if (try_again(n)) return 0;
  s->start = 0;
  s->end = n > 0 ? (size_t)n : 0;
  if (n > 0) return 0;
  s->from = -1;
  return -1;
}

/* The caller's output may be a blocking pipe: one that poll calls writable takes this much at once. */
#define WRITE_SIZE 4096

/* Returns -1 when nobody takes the bytes any more. */
static int stream_write(struct stream *s) {
  size_t length = s->end - s->start;
  ssize_t n = write(s->to, s->bytes + s->start, length < WRITE_SIZE ? length : WRITE_SIZE);
  if (try_again(n)) return 0;
  if (n < 0) {
    s->from = s->to = -1;
    s->start = s->end = 0;
    return -1;
  }
  s->start += (size_t)n;
  return 0;
}

/* Nobody looks at the terminal any more: the container hears of it as of a connection that is gone (SIGHUP). */
static void terminal_hang_up(struct terminal *t) {
  close(t->master);
  t->master = t->in.from = t->in.to = -1;
  t->in.start = t->in.end = 0;
}

static void forward_signal(const struct run *r, int signals, const struct terminal *t) {
  struct signalfd_siginfo info;
  if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) return;
  if (info.ssi_signo == SIGWINCH && t->master >= 0) terminal_resize(t);
  else syscall(SYS_pidfd_send_signal, r->pidfd, (int)info.ssi_signo, NULL, 0);
}

/* What a terminal can still hold when the container has ended is less than this many reads. */
#define LAST_ROUNDS 256

/* Until the container has ended, and its last output is passed on: for the latter no signal has to wait. */
static void serve(struct run *r, int signals, struct terminal *t) {
  for (int rounds = 0; rounds < LAST_ROUNDS;) {
    int ended = rounds > 0;
    struct pollfd fds[] = {
        {.fd = ended ? -1 : r->pidfd, .events = POLLIN}, {.fd = signals, .events = POLLIN},
        readable(&t->out), writable(&t->out), readable(&t->in), writable(&t->in), {.fd = r->notify_from, .events = POLLIN},
    };
    int ready = poll(fds, sizeof fds / sizeof *fds, ended && stream_empty(&t->out) ? 0 : -1);
    if (ready < 0 && errno != EINTR) return;
    if (ended && (ready == 0 || fds[1].revents)) return;
    if (ready <= 0) continue;
    if (fds[1].revents) forward_signal(r, signals, t);
    if (fds[2].revents) stream_read(&t->out);
    if (fds[3].revents && stream_write(&t->out) < 0) terminal_hang_up(t);
    /* In raw mode no key means "end": a terminal that gives nothing more is gone. */
    if (fds[4].revents && stream_read(&t->in) < 0 && t->raw) terminal_hang_up(t);
    if (fds[5].revents && t->in.to >= 0) stream_write(&t->in);
    if (fds[6].revents) ready_pass(r);
    if (fds[0].revents || ended) rounds++;
    if (fds[0].revents) t->in.from = t->in.to = -1, t->in.start = t->in.end = 0;
  }
}

void monitor_serve(struct run *r) {
  static struct terminal t;
  sigset_t set;
  forwarded(&set);
  int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  /* It has its size already; SIGWINCH was blocked before that was read, so a later change is waiting. */
  terminal_start(&t, r);
  serve(r, signals, &t);
  int status = EXIT_UNKNOWN;
  while (waitpid(r->child, &status, __WALL) < 0 && errno == EINTR) continue;
  terminal_stop(&t);
  close(signals);
  r->report->wait_status = status;
  r->report->state = STATE_ENDED;
}
