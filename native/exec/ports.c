/* Ops on published ports: sockets that keep a port of the host for the container. ip(7), tcp(7), udp(7). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy.h"
#include "run.h"
#include "service.h"

/* As many as the host allows (net.core.somaxconn): a connection that finds the queue full waits for a client that may say nothing. */
#define BACKLOG 65535

static int set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* Returns the size of the address, or -EINVAL for text that is none. */
static int parse_address(const char *text, uint64_t port, struct sockaddr_storage *address) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof *address);
  if (port == 0 || port > UINT16_MAX) return -EINVAL;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) return -EINVAL;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)port);
  return sizeof *v6;
}

/* IPv4 of an IPv6 socket is another published port's business. */
static int prepare(int fd, int family, int is_udp) {
  int error = family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
  /* Connections of an earlier server that are still in TIME_WAIT do not hold the port. */
  if (error == 0 && !is_udp) error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  return error;
}

/* Returns a socket that holds the port, a TCP one that listens; or -errno. */
static int bind_port(uint64_t protocol, const char *text, uint64_t port) {
  struct sockaddr_storage address;
  int size = parse_address(text, port, &address), is_udp = protocol == IPPROTO_UDP;
  if (size < 0) return size;
  int fd = socket(address.ss_family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int error = prepare(fd, address.ss_family, is_udp);
  if (error == 0 && bind(fd, (const void *)&address, (socklen_t)size) < 0) error = -errno;
  if (error == 0 && !is_udp && listen(fd, BACKLOG) < 0) error = -errno;
  if (error == 0) return fd;
  close(fd);
  return error;
}

/* The socket is held until this process ends. What reaches it was not rewritten by a rule, and is refused: shutdown(2) of a
 * listening socket ends the listening and leaves it bound, and without SO_REUSEADDR nobody else can bind. */
int op_reserve_port(struct run *r, const struct plan_op *op) {
  int fd = bind_port(op->f[RESERVE_PORT_PROTOCOL], run_str(r, op->f[RESERVE_PORT_ADDRESS]), op->f[RESERVE_PORT_PORT]);
  if (fd < 0 || op->f[RESERVE_PORT_PROTOCOL] == IPPROTO_UDP) return fd;
  int error = shutdown(fd, SHUT_RDWR) < 0 ? -errno : set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
  return error < 0 ? error : fd;
}

static struct proxy proxy;

int op_proxy_port(struct run *r, const struct plan_op *op) {
  struct proxy_port *ports = realloc(proxy.ports, (proxy.n + 1) * sizeof *ports);
  if (ports == NULL) return -ENOMEM;
  proxy.ports = ports;
  struct proxy_port *port = &ports[proxy.n];
  int size = parse_address(run_str(r, op->f[PROXY_PORT_TARGET]), op->f[PROXY_PORT_TARGET_PORT], &port->target);
  if (size < 0) return size;
  port->target_size = (socklen_t)size;
  port->is_udp = op->f[PROXY_PORT_PROTOCOL] == IPPROTO_UDP;
  const char *address = run_str(r, op->f[PROXY_PORT_ADDRESS]);
  port->listener = bind_port(op->f[PROXY_PORT_PROTOCOL], address, op->f[PROXY_PORT_PORT]);
  if (port->listener < 0) return port->listener;
  /* Only an answer of UDP has to be told its source address. */
  if (port->is_udp && port->target.ss_family == AF_INET) set_option(port->listener, IPPROTO_IP, IP_PKTINFO, 1);
  if (port->is_udp && port->target.ss_family == AF_INET6) set_option(port->listener, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  proxy.n++;
  return port->listener;
}

int op_start_proxy(struct run *r, const struct plan_op *op) {
  if (proxy.n == 0) return 0;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return -errno;
  proxy.max_fds = files.rlim_cur;
  int *fds = calloc(proxy.n, sizeof *fds);
  if (fds == NULL) return -ENOMEM;
  for (size_t i = 0; i < proxy.n; i++) fds[i] = proxy.ports[i].listener;
  const struct service service = {
      .name = "tsrun-proxy", .root = r->fds[op->f[START_PROXY_ROOT]], .fds = fds, .n_fds = proxy.n,
      .calls = proxy_calls, .n_calls = n_proxy_calls, .serve = proxy_serve, .argument = &proxy,
  };
  int result = service_start(r, &service);
  free(fds);
  return result;
}
