#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cgroup-device.h"
#include "tsrun.h"

int32_t tsr_cgroup_device(const char *cgroup, const uint8_t *program, uint32_t len) {
  int fd = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = cgroup_device_program(fd, program, len);
  close(fd);
  return result;
}
