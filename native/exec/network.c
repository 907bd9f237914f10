/* Ops on network interfaces, addresses, routes and rules. netdevice(7), netlink(7). */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/netlink.h"
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

int op_netlink_socket(struct run *r, const struct plan_op *op) {
  uint64_t netns = op->f[NETLINK_SOCKET_NETNS];
  int fd = netlink_open((int)op->f[NETLINK_SOCKET_PROTOCOL], netns == TSR_NO_FD ? -1 : r->fds[netns]);
  return run_store(r, op->f[NETLINK_SOCKET_INTO], fd);
}

int op_netlink(struct run *r, const struct plan_op *op) {
  const uint8_t *stored = plan_bytes(r->plan, op->f[NETLINK_REQUEST]);
  size_t length = plan_len(op->f[NETLINK_REQUEST]) - TSR_REQUEST_PREFIX_SIZE;
  uint32_t fd_at, fd_number;
  memcpy(&fd_at, stored, 4);
  memcpy(&fd_number, stored + 4, 4);
  /* The plan is sealed; the number of a descriptor is only known here. */
  uint8_t *messages = malloc(length);
  if (messages == NULL) return -ENOMEM;
  memcpy(messages, stored + TSR_REQUEST_PREFIX_SIZE, length);
  struct netlink_answer answer = {0};
  int result = -EBADF;
  if (fd_at == 0 || r->fds[fd_number] >= 0) {
    if (fd_at != 0) memcpy(messages + fd_at, &r->fds[fd_number], 4);
    result = netlink_exchange(r->fds[op->f[NETLINK_SOCKET]], messages, length, &answer);
  }
  free(messages);
  if (result < 0) run_detail(r, answer.text);
  return result;
}
