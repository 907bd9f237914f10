/* Small processes that serve a container from outside: they have given up all rights. */
#ifndef SERVICE_H
#define SERVICE_H
#include <stddef.h>

#include "run.h"

struct service {
  const char *name; /* as ps(1) shows it, up to 15 bytes */
  int root;         /* the directory that is its whole file system */
  /* Its descriptors; standard input, output and error are /dev/null, all others are closed. Gets sorted. */
  int *fds;
  size_t n_fds;
  /* Ends with another process than the helper, which `serve` watches. */
  int outlives_helper;
  /* The system calls it may make; any other is EPERM. */
  const int *calls;
  size_t n_calls;
  /* Never returns. */
  void (*serve)(void *argument);
  void *argument;
};

/* Returns 0 once it serves, with no right left; or -errno. The caller's copies of its descriptors stay open. */
int service_start(struct run *r, const struct service *service);

/* Kills and reaps those that end with the helper. */
void services_end(struct run *r);

#endif
