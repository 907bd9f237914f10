/* Readiness of a container that is started by somebody else than its helper. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/notify-socket.h"
#include "common/start-time.h"

int32_t tsr_notify_listen(const char *directory, const char *name) {
  int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return -errno;
  int fd = notify_listen(at, name);
  close(at);
  return fd;
}

int32_t tsr_notify_until_ready(int32_t from, const char *host, int32_t pid, uint64_t started) {
  int to = notify_connect(host);
  if (to < 0) return to;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), error = pidfd < 0 && errno != ESRCH ? -errno : 0;
  /* The start time is read after the pidfd is there: it is of that process then. */
  if (pidfd >= 0 && process_start_time(pid) == started) error = notify_until_ready(from, to, pid, pidfd);
  if (pidfd >= 0) close(pidfd);
  close(to);
  return error;
}
