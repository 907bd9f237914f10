/* Lines in the log of whoever asked for the container, at the steps that it wants to hear of. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

/* Standard error may be the container's terminal later: it is kept as it is now. */
int op_open_log(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[OPEN_LOG_PATH]);
  int fd = *path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  return fd < 0 ? -errno : run_store(r, op->f[OPEN_LOG_INTO], fd);
}

/* In one piece, for others write there too. A line that cannot be written keeps no container from its start. */
int op_log(struct run *r, const struct plan_op *op) {
  char line[1024], when[24] = "";
  struct tm parts;
  time_t now = time(NULL);
  if (gmtime_r(&now, &parts) != NULL) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
  int n = snprintf(line, sizeof line, "%s%s%s", run_str(r, op->f[LOG_BEFORE]), when, run_str(r, op->f[LOG_BEHIND]));
  ssize_t written = n > 0 && (size_t)n < sizeof line ? write(r->fds[op->f[LOG_FD]], line, (size_t)n) : 0;
  return written > 0;
}
