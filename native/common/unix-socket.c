#define _GNU_SOURCE
#include "common/unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* By its directory's descriptor: sun_path takes 107 bytes, and a path may have thousands. */
static int with_name(int directory, const char *name, int type, int (*call)(int fd, const struct sockaddr *at, socklen_t size)) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  if (snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", directory, name) >= (int)sizeof at.sun_path) return -ENAMETOOLONG;
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (call(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

static int bind_and_listen(int fd, const struct sockaddr *at, socklen_t size) {
  return bind(fd, at, size) < 0 ? -1 : listen(fd, 1);
}

int unix_listen(int directory, const char *name, int type) { return with_name(directory, name, type, type == SOCK_DGRAM ? bind : bind_and_listen); }

int unix_connect(const char *path, int type) {
  const char *slash = strrchr(path, '/');
  char directory[4096];
  if (slash == NULL || slash - path + 1 >= (ptrdiff_t)sizeof directory) return -EINVAL;
  snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path);
  int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return -errno;
  int fd = with_name(at, slash + 1, type, connect);
  close(at);
  return fd;
}

int unix_send_fds(int to, const char *text, const int *fds, size_t n_fds) {
  union { struct cmsghdr header; char space[CMSG_SPACE(UNIX_MAX_FDS * sizeof(int))]; } control = {0};
  struct iovec bytes = {.iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text)};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
  memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
  return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int unix_receive_fds(int from, int *fds, size_t n_fds) {
  union { struct cmsghdr header; char space[CMSG_SPACE(UNIX_MAX_FDS * sizeof(int))]; } control = {0};
  char text[64];
  struct iovec bytes = {.iov_base = text, .iov_len = sizeof text};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
  ssize_t n;
  do n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(n_fds * sizeof(int))) return -EPIPE;
  memcpy(fds, CMSG_DATA(header), n_fds * sizeof(int));
  return 0;
}
