/* The plain C interface of libtsrun.so, which src/kernel/native.ts opens by FFI.
 * Every function returns a value >= 0, or -errno. None keeps a pointer after it returns. */
#ifndef TSRUN_H
#define TSRUN_H
#include <stdint.h>

#define TSR_EXPORT __attribute__((visibility("default")))

/* A memfd named `name` that holds `len` bytes of `data` and is sealed against any change.
 * `cloexec` 0 leaves it open across execve. Returns the descriptor. memfd_create(2), fcntl(2) F_ADD_SEALS. */
TSR_EXPORT int32_t tsr_memfd_sealed(const char *name, const uint8_t *data, uint64_t len, int32_t cloexec);

#endif
