/* Connections to ports of the host, passed on to ports of the container by a process: for hosts that cannot rewrite packets. */
#ifndef PROXY_H
#define PROXY_H
#include <sys/socket.h>

struct proxy_port {
  int listener; /* TCP: listens. UDP: bound. Both do not block. */
  int is_udp;
  struct sockaddr_storage target;
  socklen_t target_size;
};

struct proxy {
  struct proxy_port *ports;
  size_t n;
  size_t max_fds; /* RLIMIT_NOFILE of the process that serves: each connection takes two */
};

/* Serves a struct proxy; never returns. What it calls is in proxy_calls. */
void proxy_serve(void *proxy);
extern const int proxy_calls[];
extern const size_t n_proxy_calls;

#endif
