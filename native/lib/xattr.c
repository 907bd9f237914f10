/* Extended attributes, which Node does not offer. */
#include "tsrun.h"

#include <errno.h>
#include <sys/xattr.h>

int32_t tsr_lgetxattr(const uint8_t *path, const char *name, uint8_t *value, uint32_t capacity) {
  ssize_t length = lgetxattr((const char *)path, name, value, capacity);
  return length < 0 ? -errno : (int32_t)length;
}

int32_t tsr_llistxattr(const uint8_t *path, uint8_t *names, uint32_t capacity) {
  ssize_t length = llistxattr((const char *)path, (char *)names, capacity);
  return length < 0 ? -errno : (int32_t)length;
}
