#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec/proxy.h"

#define PATIENCE_SECONDS 10

/* Of AddressSanitizer; gcc comes without a header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);

static pid_t proxy_pid;
/* The server's sockets, and where the proxy listens. */
static int tcp_target, udp_target;
static struct sockaddr_in tcp_address, udp_address;
/* Written by the proxy's process when it is asked by SIGUSR1. */
static volatile struct { size_t answers, bytes; } *shared;

_Noreturn void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
  exit(1);
}

double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check_proxy(void) {
  int status;
  if (waitpid(proxy_pid, &status, WNOHANG) == proxy_pid) fail("the proxy ended with wait status %d", status);
}

void wait_a_moment(double from, const char *what) {
  check_proxy();
  if (seconds() > from + PATIENCE_SECONDS) fail("waited in vain: %s", what);
  usleep(1000);
}

static int bound(int type, struct sockaddr_in *address) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof *address;
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(fd, (const void *)&any, sizeof any) < 0 || getsockname(fd, (void *)address, &size) < 0) fail("bind: %m");
  if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) fail("listen: %m");
  return fd;
}

static struct proxy_port make_port(int type, int *target, struct sockaddr_in *address) {
  struct sockaddr_in to;
  *target = bound(type, &to);
  struct proxy_port port = {.listener = bound(type, address), .is_udp = type == SOCK_DGRAM, .target_size = sizeof to};
  *(struct sockaddr_in *)&port.target = to;
  return port;
}

static void tell_bytes(int signal) {
  (void)signal;
  shared->bytes = __sanitizer_get_current_allocated_bytes();
  shared->answers++;
}

/* What it still holds is seen from the stack of the loop; a connection that it forgot is not, and is a leak. */
static void end(int signal) {
  (void)signal;
  exit(0);
}

void start_proxy(size_t max_fds) {
  struct proxy_port ports[] = {make_port(SOCK_STREAM, &tcp_target, &tcp_address), make_port(SOCK_DGRAM, &udp_target, &udp_address)};
  struct proxy proxy = {ports, 2, max_fds};
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) fail("mmap: %m");
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGUSR1, tell_bytes);
  signal(SIGTERM, end);
  proxy_pid = fork();
  if (proxy_pid == 0) {
    const struct rlimit files = {max_fds, max_fds};
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    close(tcp_target);
    close(udp_target);
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("setrlimit: %m");
    proxy_serve(&proxy);
    fail("the proxy returned");
  }
  for (size_t i = 0; i < 2; i++) close(ports[i].listener);
}

void end_proxy(void) {
  int status;
  check_proxy();
  kill(proxy_pid, SIGTERM);
  if (waitpid(proxy_pid, &status, 0) < 0 || status != 0) fail("the proxy ended with wait status %d", status);
}

size_t proxy_fds(void) {
  char path[64];
  size_t n = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", proxy_pid);
  DIR *directory = opendir(path);
  if (directory == NULL) fail("%s: %m", path);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) n += entry->d_name[0] != '.';
  closedir(directory);
  return n;
}

size_t proxy_bytes(void) {
  size_t before = shared->answers;
  kill(proxy_pid, SIGUSR1);
  for (double from = seconds(); shared->answers == before;) wait_a_moment(from, "how much the proxy has allocated");
  return shared->bytes;
}

static int dial(int type, const struct sockaddr_in *address) {
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const void *)address, sizeof *address) < 0) fail("connect: %m");
  return fd;
}

/* What is sent leaves at once: what is put off is put off by the proxy. */
static int at_once(int fd) {
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0) fail("setsockopt: %m");
  return fd;
}

int dial_tcp(void) { return at_once(dial(SOCK_STREAM, &tcp_address)); }
int dial_udp(void) { return dial(SOCK_DGRAM, &udp_address); }

int accept_next(void) {
  for (double from = seconds();; wait_a_moment(from, "the connection of the proxy to the server")) {
    int fd = accept4(tcp_target, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) return at_once(fd);
    struct pollfd waiting = {tcp_target, POLLIN, 0};
    poll(&waiting, 1, 100);
  }
}

struct pair open_pair(void) {
  static uint64_t last_id;
  struct pair p = {.id = ++last_id};
  p.side[CLIENT].fd = dial_tcp();
  p.side[SERVER].fd = accept_next();
  return p;
}

void echo_datagrams(void) {
  static uint8_t bytes[65536];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  for (ssize_t n; (n = recvfrom(udp_target, bytes, sizeof bytes, 0, (void *)&from, &size)) >= 0; size = sizeof from)
    sendto(udp_target, bytes, (size_t)n, 0, (const void *)&from, size);
}

uint8_t byte_at(uint64_t id, int who, uint64_t offset) {
  return (uint8_t)((offset + id * 101 + (unsigned)who * 57) * 2654435761u >> 13);
}

/* Only of a connection that was broken an error may be heard. */
static void heard_error(struct pair *p, int who, const char *what) {
  if (!p->broken) fail("connection %lu, side %d: %s: %m", p->id, who, what);
  p->side[who].failed = 1;
}

size_t send_bytes(struct pair *p, int who, size_t n) {
  static uint8_t bytes[1 << 18];
  struct side *s = &p->side[who];
  if (n > sizeof bytes) n = sizeof bytes;
  for (size_t i = 0; i < n; i++) bytes[i] = byte_at(p->id, who, s->sent + i);
  ssize_t sent = send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) heard_error(p, who, "send");
  if (sent < 0) return 0;
  s->sent += (size_t)sent;
  return (size_t)sent;
}

size_t receive_bytes(struct pair *p, int who, size_t n) {
  static uint8_t bytes[1 << 18];
  struct side *s = &p->side[who], *other = &p->side[!who];
  ssize_t got = recv(s->fd, bytes, n < sizeof bytes ? n : sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno != EAGAIN) heard_error(p, who, "recv");
  if (got < 0) return 0;
  for (ssize_t i = 0; i < got; i++)
    if (bytes[i] != byte_at(p->id, !who, s->got + (uint64_t)i)) fail("connection %lu, side %d: byte %lu is wrong", p->id, who, s->got + (uint64_t)i);
  s->got += (size_t)got;
  if (s->got > other->sent) fail("connection %lu, side %d: more than was sent", p->id, who);
  if (got == 0 && n > 0) {
    /* A socket whose error was told by send(2) says end of file from then on. */
    if (!s->failed && (!other->shut || s->got != other->sent)) fail("connection %lu, side %d: an end after %lu bytes of %lu", p->id, who, s->got, other->sent);
    s->ended = 1;
  }
  return (size_t)got;
}

void shut_side(struct pair *p, int who) {
  if (shutdown(p->side[who].fd, SHUT_WR) < 0 && errno != ENOTCONN) fail("shutdown: %m");
  p->side[who].shut = 1;
}

void close_side(struct pair *p, int who) {
  close(p->side[who].fd);
  p->side[who].fd = -1;
  p->side[who].shut = 1;
  p->broken = 1;
}

void reset_side(struct pair *p, int who) {
  const struct linger none = {.l_onoff = 1, .l_linger = 0};
  int had_shut = p->side[who].shut;
  setsockopt(p->side[who].fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close_side(p, who);
  p->side[who].shut = had_shut;
}
