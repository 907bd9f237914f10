/* Locks on open files, which Node does not offer. */
#include "tsrun.h"

#include <errno.h>
#include <sys/file.h>

int32_t tsr_flock(int32_t fd, int32_t operation) {
  int done;
  do done = flock(fd, operation);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : 0;
}
