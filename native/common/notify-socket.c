#define _GNU_SOURCE
#include "common/notify-socket.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/unix-socket.h"

int notify_listen(int directory, const char *name) {
  int fd = unix_listen(directory, name, SOCK_DGRAM);
  if (fd < 0 || fchmodat(directory, name, 0777, 0) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

static int connect_abstract(const char *name) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (length > sizeof at.sun_path - 1) return -ENAMETOOLONG;
  memcpy(at.sun_path + 1, name, length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

int notify_connect(const char *host) { return *host == '@' ? connect_abstract(host + 1) : unix_connect(host, SOCK_DGRAM); }

static int tell(int to, const char *text) { return send(to, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0; }

/* Nothing else of the message goes out: it could name another process as the main one. */
int notify_pass(int from, int to, pid_t main) {
  char message[4096], pid[32];
  ssize_t n = recv(from, message, sizeof message - 2, MSG_DONTWAIT);
  if (n < 0) return errno == EINTR || errno == EAGAIN ? 0 : -errno;
  message[n] = '\0';
  if (strncmp(message, "READY=", 6) != 0) return 0;
  message[strcspn(message, "\n")] = '\0';
  strcat(message, "\n");
  snprintf(pid, sizeof pid, "MAINPID=%d\n", (int)main);
  int error = tell(to, message);
  if (error == 0) error = tell(to, pid);
  return error < 0 ? error : 1;
}

int notify_until_ready(int from, int to, pid_t main, int pidfd) {
  for (;;) {
    struct pollfd fds[] = {{.fd = from, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    int ready = poll(fds, 2, -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return -errno;
    /* What it said before its end counts. */
    int passed = fds[0].revents ? notify_pass(from, to, main) : 0;
    if (passed != 0) return passed < 0 ? passed : 0;
    if (fds[1].revents && !fds[0].revents) return 0;
  }
}
