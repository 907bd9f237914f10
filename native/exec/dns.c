/* The op that starts the DNS server of a container on networks with names. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "dns-serve.h"
#include "run.h"
#include "service.h"
#include "syscalls.h"

static const int calls[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat,
#endif
    SYS_ppoll, SYS_recvfrom, SYS_sendto, SYS_socket, SYS_connect, SYS_accept4, SYS_getrandom,
    SYS_openat, SYS_newfstatat, SYS_fstat, SYS_statx, SYS_getdents64, SYS_lseek, SYS_read, SYS_close, SYS_fcntl,
    SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group,
};

/* A socket of `type` that is bound to 127.0.0.11:`port` in the namespace this thread is in. */
static int bound_socket(int type, uint16_t port) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f00000b)};
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  /* The container raises its loopback interface itself, later. ip(7) */
  int bad = setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  /* Connections of a server before this one may linger (TIME_WAIT). For UDP it would mean sharing the port. */
  if (!bad && type == SOCK_STREAM) bad = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!bad) bad = bind(fd, (const void *)&address, sizeof address);
  if (!bad && type == SOCK_STREAM) bad = listen(fd, 64);
  if (!bad) return fd;
  int error = errno;
  close(fd);
  return -error;
}

/* Opens both sockets there; a socket stays in the namespace it was made in. */
static int sockets_in(int netns, uint16_t port, int *udp, int *tcp) {
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) return -errno;
  int error = setns(netns, CLONE_NEWNET) < 0 ? -errno : 0;
  if (error == 0) {
    *udp = bound_socket(SOCK_DGRAM, port);
    *tcp = *udp < 0 ? -1 : bound_socket(SOCK_STREAM, port);
    error = *udp < 0 ? *udp : *tcp < 0 ? *tcp : 0;
    if (setns(home, CLONE_NEWNET) < 0) error = -errno;
  }
  close(home);
  return error;
}

static int read_upstreams(struct run *r, uint64_t ref, struct forwarder *f) {
  const uint64_t *texts = plan_bytes(r->plan, ref);
  if (plan_len(ref) > MAX_UPSTREAMS) return -E2BIG;
  for (uint32_t i = 0; i < plan_len(ref); i++) {
    if (forward_upstream(&f->upstreams[i], run_str(r, texts[i])) < 0) {
      run_detail(r, run_str(r, texts[i]));
      return -EINVAL;
    }
    f->n_upstreams++;
  }
  return 0;
}

static void serve(void *server) {
  dns_serve(server);
  _exit(0);
}

static int start(struct run *r, const struct plan_op *op, struct dns_server *server) {
  server->names.networks = fdopendir(fcntl(r->fds[op->f[DNS_NETWORKS]], F_DUPFD_CLOEXEC, 0));
  if (server->names.networks == NULL) return -errno;
  int directory = dirfd(server->names.networks);
  int fds[] = {server->udp, server->tcp, directory, server->until};
  struct service service = {
      .name = "tsrun-dns", .root = directory, .fds = fds, .n_fds = server->until < 0 ? 3 : 4,
      .outlives_helper = server->until >= 0, .calls = calls, .n_calls = sizeof calls / sizeof *calls, .serve = serve, .argument = server,
  };
  int started = service_start(r, &service);
  closedir(server->names.networks);
  return started;
}

int op_dns(struct run *r, const struct plan_op *op) {
  static struct dns_server server;
  uint64_t until = op->f[DNS_UNTIL];
  server = (struct dns_server){.until = until == TSR_NO_FD ? -1 : r->fds[until], .udp = -1, .tcp = -1, .names.container = run_str(r, op->f[DNS_CONTAINER])};
  int error = read_upstreams(r, op->f[DNS_UPSTREAMS], &server.forwarder);
  if (error == 0) error = sockets_in(r->fds[op->f[DNS_NETNS]], (uint16_t)op->f[DNS_PORT], &server.udp, &server.tcp);
  if (error == 0) error = start(r, op, &server);
  if (server.udp >= 0) close(server.udp);
  if (server.tcp >= 0) close(server.tcp);
  return error;
}
