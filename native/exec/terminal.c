/* Ops that give the container a terminal of its own devpts instance. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "run.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* The peer is opened through the master, not by name: a name under /dev is the image's to forge (CVE-2025-52565). */
int op_open_pty_peer(struct run *r, const struct plan_op *op) {
  int master = r->fds[op->f[OPEN_PTY_PEER_MASTER]], unlock = 0;
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0) return -errno;
  int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : run_store(r, op->f[OPEN_PTY_PEER_INTO], fd);
}

int op_set_controlling_tty(struct run *r, const struct plan_op *op) {
  return ioctl(r->fds[op->f[SET_CONTROLLING_TTY_FD]], TIOCSCTTY, 0) < 0 ? -errno : 0;
}

/* The caller's terminal is whichever of its standard descriptors is one; without any, the size stays 0 by 0. */
int op_copy_winsize(struct run *r, const struct plan_op *op) {
  struct winsize size;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl(fd, TIOCGWINSZ, &size) == 0) return ioctl(r->fds[op->f[COPY_WINSIZE_FD]], TIOCSWINSZ, &size) < 0 ? -errno : 0;
  return 0;
}

int op_set_winsize(struct run *r, const struct plan_op *op) {
  struct winsize size = {.ws_row = (unsigned short)op->f[SET_WINSIZE_ROWS], .ws_col = (unsigned short)op->f[SET_WINSIZE_COLUMNS]};
  return ioctl(r->fds[op->f[SET_WINSIZE_FD]], TIOCSWINSZ, &size) < 0 ? -errno : 0;
}
