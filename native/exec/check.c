/* Checking plans without running them: for the tests of plan.c, thousands to a process. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

/* Returns 1, 0 at the end of the input before the first byte, or -1. */
static int read_exactly(void *buffer, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t n = read(STDIN_FILENO, (char *)buffer + done, length - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 && done == 0 ? 0 : -1;
    done += (size_t)n;
  }
  return 1;
}

/* Every plan lies in an allocation of exactly its size, so that a sanitizer sees any read outside of it. */
int check_plans(void) {
  uint32_t length;
  int more;
  while ((more = read_exactly(&length, sizeof length)) > 0) {
    void *bytes = malloc(length);
    if (bytes == NULL || (length > 0 && read_exactly(bytes, length) <= 0)) return 1;
    struct plan plan;
    const char *fault = plan_check(&plan, bytes, length);
    puts(fault == NULL ? "sound" : fault);
    free(bytes);
  }
  return more < 0;
}
