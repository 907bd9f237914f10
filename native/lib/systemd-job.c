/* Jobs of systemd for the commands themselves; what a container's start asks for is in its plan. */
#include "common/systemd-job.h"

#include <errno.h>

#include "tsrun.h"

int32_t tsr_systemd_job(const char *bus, const uint8_t *calls, uint32_t len, uint8_t *text, uint32_t size) {
  if (!systemd_job_well_formed(calls, len) || size != SYSTEMD_TEXT_SIZE) return -EINVAL;
  return systemd_job(bus, calls, len, (char *)text);
}
