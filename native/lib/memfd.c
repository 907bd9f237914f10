/* Memory files for the helper: what it is handed is sealed, what it reports in is not. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail_closing(int fd) {
  int error = errno;
  close(fd);
  return -error;
}

int32_t tsr_memfd(const char *name, const uint8_t *data, uint64_t len, int32_t sealed, int32_t cloexec) {
  int fd = memfd_create(name, (sealed ? MFD_ALLOW_SEALING : 0) | (cloexec ? MFD_CLOEXEC : 0));
  if (fd < 0) return -errno;
  for (uint64_t done = 0; done < len;) {
    ssize_t n = write(fd, data + done, len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_closing(fd);
    done += (uint64_t)n;
  }
  if (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) return fail_closing(fd);
  return fd;
}
