/* Signals to a process that is known by pid and start time: never to another one that got the number later. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Field 22 of /proc/PID/stat; 0 when there is no such process. The name in field 2 may hold anything, even ')'. */
static uint64_t start_time(int32_t pid) {
  char path[64], stat[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (n <= 0) return 0;
  stat[n] = 0;
  char *field = strrchr(stat, ')');
  for (int i = 2; field != NULL && i < 22; i++) field = strchr(field + 1, ' ');
  return field == NULL ? 0 : strtoull(field, NULL, 10);
}

int32_t tsr_kill(int32_t pid, uint64_t started, int32_t signal) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return -errno;
  /* The pidfd holds the process: if the start time is right now, the pidfd is of that process. */
  int error = start_time(pid) != started ? ESRCH : 0;
  if (!error && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0) error = errno;
  close(pidfd);
  return -error;
}
