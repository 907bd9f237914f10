/* Ops on network interfaces. netdevice(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"

int op_link_up(struct run *r, const struct plan_op *op) {
  struct ifreq request = {0};
  const char *name = run_str(r, op->f[LINK_UP_NAME]);
  if (strlen(name) >= sizeof request.ifr_name) return -ENAMETOOLONG;
  strcpy(request.ifr_name, name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int error = ioctl(fd, SIOCGIFFLAGS, &request) < 0 ? errno : 0;
  request.ifr_flags |= IFF_UP;
  if (!error && ioctl(fd, SIOCSIFFLAGS, &request) < 0) error = errno;
  close(fd);
  return -error;
}
