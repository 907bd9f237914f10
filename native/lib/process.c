/* Signals to a process that is known by pid and start time: never to another one that got the number later. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/start-time.h"

/* A process that nobody has waited for still takes signals, for ever where PID 1 of the machine does not reap. Its
 * pidfd is readable as soon as all its threads have ended. pidfd_open(2). */
static int has_ended(int pidfd) {
  struct pollfd end = {.fd = pidfd, .events = POLLIN};
  return poll(&end, 1, 0) > 0;
}

int32_t tsr_kill(int32_t pid, uint64_t started, int32_t signal) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return -errno;
  /* The pidfd holds the process: if the start time is right now, the pidfd is of that process. */
  int error = process_start_time(pid) != started || has_ended(pidfd) ? ESRCH : 0;
  if (!error && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0) error = errno;
  close(pidfd);
  return -error;
}
