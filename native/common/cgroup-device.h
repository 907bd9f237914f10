#ifndef CGROUP_DEVICE_H
#define CGROUP_DEVICE_H
#include <stdint.h>

/* Makes an eBPF program the one that decides about devices in a cgroup of v2, in place of the one that a call before has put
 * there: there is no moment without any. Returns 0 or -errno; -EBUSY when somebody else has attached programs there. */
int cgroup_device_program(int cgroup, const void *program, uint32_t length);

#endif
