/* The encoded plan as C sees it: checked once in plan.c, trusted afterwards. */
#ifndef PLAN_H
#define PLAN_H
#include <stddef.h>
#include <stdint.h>

#include "plan-ops.gen.h"

struct plan_op {
  uint16_t code;
  uint16_t who;
  uint32_t tolerate; /* TOLERATE_* bits */
  uint64_t reserved;
  uint64_t f[TSR_MAX_FIELDS];
};
_Static_assert(sizeof(struct plan_op) == TSR_RECORD_SIZE, "record size");

struct plan_header {
  uint32_t magic, version, total, n_ops;
  uint64_t reporter; /* list of strings */
  uint32_t terminal; /* descriptor number or TSR_NO_FD */
  uint32_t interactive;
  uint64_t fd_names; /* list of strings, for readers of reports */
  uint32_t leaves;   /* LEAVES_* */
  uint8_t reserved[20];
};
_Static_assert(sizeof(struct plan_header) == TSR_HEADER_SIZE, "header size");

struct plan {
  const uint8_t *base;
  size_t size;
  const struct plan_header *header;
  const struct plan_op *ops;
};

/* Checks every number, reference and string of an encoded plan. Returns NULL, or what is wrong with it. */
const char *plan_check(struct plan *plan, const void *bytes, size_t size);

/* The KIND_* of each field of a known op; 0 behind the last. */
const uint8_t *plan_kinds(uint16_t code);

static inline const char *plan_str(const struct plan *p, uint64_t ref) { return (const char *)p->base + (ref >> 32); }
static inline const void *plan_bytes(const struct plan *p, uint64_t ref) { return p->base + (ref >> 32); }
static inline uint32_t plan_len(uint64_t ref) { return (uint32_t)ref; }

#endif
