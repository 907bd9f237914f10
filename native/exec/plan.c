/* Plan checking: nothing of a plan is used before all of it has been found sound. */
#include "plan.h"

#include <string.h>

#include "common/netlink.h"
#include "common/systemd-job.h"

static const uint8_t kinds[][TSR_MAX_FIELDS] = {
#define ROW(NAME, name, ...) [OP_##NAME] = {__VA_ARGS__},
    TSR_OPS(ROW)
#undef ROW
};

static int known_op(uint16_t code) {
  switch (code) {
#define CASE(NAME, name, ...) case OP_##NAME:
    TSR_OPS(CASE)
#undef CASE
    return 1;
    default:
      return 0;
  }
}

const uint8_t *plan_kinds(uint16_t code) { return kinds[code]; }

/* A run of `size` bytes at `offset` that lies in the data area, behind header and records. */
static int inside(const struct plan *p, uint64_t offset, uint64_t size) {
  uint64_t data = TSR_HEADER_SIZE + (uint64_t)p->header->n_ops * TSR_RECORD_SIZE;
  return offset >= data && offset <= p->size && size <= p->size - offset;
}

static int string_ok(const struct plan *p, uint64_t ref) {
  uint64_t offset = ref >> 32, length = (uint32_t)ref;
  if (!inside(p, offset, length + 1)) return 0;
  return p->base[offset + length] == 0 && memchr(p->base + offset, 0, length) == NULL;
}

static int strings_ok(const struct plan *p, uint64_t ref) {
  uint64_t offset = ref >> 32, count = (uint32_t)ref;
  if (offset % 8 != 0 || !inside(p, offset, count * 8)) return 0;
  const uint64_t *refs = (const uint64_t *)(const void *)(p->base + offset);
  for (uint64_t i = 0; i < count; i++)
    if (!string_ok(p, refs[i])) return 0;
  return 1;
}

/* Prefix (where a descriptor's number goes, 0 for nowhere; the descriptor), then whole messages. */
static int netlink_ok(const struct plan *p, uint64_t ref) {
  uint64_t offset = ref >> 32, length = (uint32_t)ref;
  if (offset % 8 != 0 || !inside(p, offset, length) || length <= TSR_REQUEST_PREFIX_SIZE) return 0;
  const uint32_t *prefix = (const uint32_t *)(const void *)(p->base + offset);
  length -= TSR_REQUEST_PREFIX_SIZE;
  if (prefix[0] > length - 4 || prefix[0] % 4 != 0 || prefix[1] >= TSR_MAX_FDS) return 0;
  return netlink_well_formed(p->base + offset + TSR_REQUEST_PREFIX_SIZE, length);
}

/* Prefix (where the child's pid goes, 0 for nowhere; padding), then whole messages. */
static int dbus_ok(const struct plan *p, uint64_t ref) {
  uint64_t offset = ref >> 32, length = (uint32_t)ref;
  if (offset % 8 != 0 || !inside(p, offset, length) || length <= TSR_DBUS_PREFIX_SIZE) return 0;
  const uint32_t *prefix = (const uint32_t *)(const void *)(p->base + offset);
  length -= TSR_DBUS_PREFIX_SIZE;
  if (prefix[0] > length - 4 || prefix[1] != 0) return 0;
  return systemd_job_well_formed(p->base + offset + TSR_DBUS_PREFIX_SIZE, length);
}

static const uint32_t tolerable = TOLERATE_ENOENT | TOLERATE_ENOTDIR | TOLERATE_EPERM | TOLERATE_EINVAL | TOLERATE_ENOSYS |
                                  TOLERATE_EEXIST | TOLERATE_ENOTTY;

static int field_ok(const struct plan *p, uint8_t kind, uint64_t value) {
  switch (kind) {
    case 0:
      return value == 0;
    case KIND_U64:
      return 1;
    case KIND_FD:
    case KIND_INTO:
      return value < TSR_MAX_FDS;
    case KIND_AT:
      return value < TSR_MAX_FDS || value == TSR_NO_FD;
    case KIND_STR:
      return string_ok(p, value);
    case KIND_BYTES:
      return inside(p, value >> 32, (uint32_t)value);
    case KIND_STRINGS:
      return strings_ok(p, value);
    case KIND_U32S:
      return (value >> 32) % 8 == 0 && inside(p, value >> 32, (uint64_t)(uint32_t)value * 4);
    case KIND_NETLINK:
      return netlink_ok(p, value);
    case KIND_DBUS:
      return dbus_ok(p, value);
    default:
      return 0;
  }
}

const char *plan_check(struct plan *p, const void *bytes, size_t size) {
  const struct plan_header *h = bytes;
  if (size < TSR_HEADER_SIZE || size > TSR_MAX_PLAN_BYTES) return "size";
  if (h->magic != TSR_PLAN_MAGIC) return "magic number";
  if (h->version != TSR_PLAN_VERSION) return "version";
  if (h->total != size) return "length";
  if (h->n_ops == 0 || h->n_ops > (size - TSR_HEADER_SIZE) / TSR_RECORD_SIZE) return "number of ops";
  *p = (struct plan){.base = bytes, .size = size, .header = h};
  p->ops = (const struct plan_op *)(const void *)(p->base + TSR_HEADER_SIZE);
  if (!strings_ok(p, h->reporter)) return "reporter";
  if (!strings_ok(p, h->fd_names)) return "names of descriptors";
  if (h->terminal >= TSR_MAX_FDS && h->terminal != TSR_NO_FD) return "terminal";
  if (h->interactive > 1) return "interactive";
  if (h->leaves > LEAVES_WAITING) return "when the helper leaves";
  for (size_t i = 0; i < sizeof h->reserved; i++)
    if (h->reserved[i] != 0) return "reserved bytes";
  int clones = 0; /* a plan without one makes no container: it changes something of one that runs */
  for (uint32_t i = 0; i < h->n_ops; i++) {
    const struct plan_op *op = &p->ops[i];
    if (!known_op(op->code)) return "unknown op";
    if (op->who > WHO_UNDO || op->reserved != 0 || (op->tolerate & ~tolerable) != 0) return "op header";
    if (op->code == OP_CLONE3 && (op->who != WHO_HOST || clones++ > 0)) return "clone3 must be one op of the host";
    if (op->who == WHO_CHILD && clones == 0) return "an op of the child before clone3";
    if (op->code == OP_EXECVE && op->who != WHO_CHILD) return "execve must be an op of the child";
    for (int n = 0; n < TSR_MAX_FIELDS; n++)
      if (!field_ok(p, kinds[op->code][n], op->f[n])) return "field";
  }
  return NULL;
}
