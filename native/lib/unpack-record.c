/* Checking records: nothing that reaches a system call points outside its batch. */
#include "unpack.h"

#include <string.h>

#include "unpack-format.gen.h"

static uint32_t u32(const uint8_t *bytes, unsigned at) {
  uint32_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

static uint16_t u16(const uint8_t *bytes, unsigned at) {
  uint16_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

/* A string of `len` bytes whose last is its only NUL. */
static int is_text(const uint8_t *bytes, uint32_t len) {
  return len > 0 && memchr(bytes, 0, len) == bytes + len - 1;
}

/* One component, so that no record can climb: TypeScript has resolved the path before. "" is the parent itself. */
static int is_component(const char *name) {
  return !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int unpack_next_xattr(const uint8_t **at, const uint8_t *end, const char **name, const uint8_t **value, uint32_t *len) {
  if (*at == end) return 0;
  uint32_t name_len = u32(*at, 0);
  *len = u32(*at, 4);
  *name = (const char *)*at + UNPACK_XATTR_HEADER_SIZE;
  *value = *at + UNPACK_XATTR_HEADER_SIZE + name_len;
  *at = *value + *len;
  return 1;
}

static int xattrs_are_sound(const uint8_t *at, uint32_t left) {
  while (left > 0) {
    if (left < UNPACK_XATTR_HEADER_SIZE) return 0;
    uint64_t name_len = u32(at, 0), size = UNPACK_XATTR_HEADER_SIZE + name_len + u32(at, 4);
    if (size > left || !is_text(at + UNPACK_XATTR_HEADER_SIZE, (uint32_t)name_len)) return 0;
    at += size;
    left -= (uint32_t)size;
  }
  return 1;
}

uint32_t unpack_record_parse(const uint8_t *bytes, size_t available, struct unpack_record *record) {
  if (available < UNPACK_HEADER_SIZE) return 0;
  uint32_t length = u32(bytes, UNPACK_AT_LENGTH);
  if (length < UNPACK_HEADER_SIZE || length > available || length % 8 != 0) return 0;
  uint32_t parent_len = u32(bytes, UNPACK_AT_PARENT_LEN), name_len = u32(bytes, UNPACK_AT_NAME_LEN);
  uint32_t target_len = u32(bytes, UNPACK_AT_TARGET_LEN);
  *record = (struct unpack_record){
      .op = u16(bytes, UNPACK_AT_OP),
      .flags = u16(bytes, UNPACK_AT_FLAGS),
      .mode = u32(bytes, UNPACK_AT_MODE),
      .uid = u32(bytes, UNPACK_AT_UID),
      .gid = u32(bytes, UNPACK_AT_GID),
      .major = u32(bytes, UNPACK_AT_MAJOR),
      .minor = u32(bytes, UNPACK_AT_MINOR),
      .mtime_ns = u32(bytes, UNPACK_AT_MTIME_NS),
      .xattrs_len = u32(bytes, UNPACK_AT_XATTRS_LEN),
      .data_len = u32(bytes, UNPACK_AT_DATA_LEN),
  };
  memcpy(&record->mtime_s, bytes + UNPACK_AT_MTIME_S, sizeof record->mtime_s);
  memcpy(&record->lower, bytes + UNPACK_AT_LOWER, sizeof record->lower);
  uint64_t used = (uint64_t)UNPACK_HEADER_SIZE + parent_len + name_len + target_len + record->xattrs_len + record->data_len;
  if (used > length) return 0;
  const uint8_t *at = bytes + UNPACK_HEADER_SIZE;
  if (!is_text(at, parent_len) || !is_text(at + parent_len, name_len)) return 0;
  record->parent = (const char *)at;
  record->parent_len = parent_len - 1;
  record->name = (const char *)(at += parent_len);
  at += name_len;
  if (!is_component(record->name)) return 0;
  if (target_len > 0 && !is_text(at, target_len)) return 0;
  record->target = target_len > 0 ? (const char *)at : NULL;
  record->xattrs = at += target_len;
  record->data = at + record->xattrs_len;
  return xattrs_are_sound(record->xattrs, record->xattrs_len) ? length : 0;
}
