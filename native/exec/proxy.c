/* The proxy's loop. Of a TCP socket epoll(7) tells every change once (EPOLLET): whoever hears of one goes on until the kernel has no
 * more, or stands in the queue for his next turn. Of a UDP socket it tells as long as there is something to read. */
#define _GNU_SOURCE
#include "proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What one connection, or one UDP socket, may move before others have their turn. */
#define TURN_ROUNDS 16
#define TURN_DATAGRAMS 64
#define MAX_FLOWS 1024
/* Of the descriptors, so that clients of UDP, who can be anybody, leave room for TCP. */
#define FLOWS_SHARE 4
/* Standard input, output and error, epoll, and a few to spare. */
#define OWN_FDS 8
#define FLOW_SECONDS 90
#define SWEEP_SECONDS 10

const int proxy_calls[] = {
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_accept4, SYS_socket, SYS_connect, SYS_setsockopt, SYS_shutdown, SYS_close,
    SYS_read, SYS_recvmsg, SYS_recvfrom, SYS_sendmsg, SYS_sendto,
    SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_exit_group,
};
const size_t n_proxy_calls = sizeof proxy_calls / sizeof *proxy_calls;

/* What epoll_data points to: whose descriptor it is. */
struct source {
  enum { TCP_LISTENER, UDP_SOCKET, TCP_END, UDP_FLOW } kind;
  int fd;
};

struct listener {
  struct source source;
  const struct proxy_port *port;
  struct flow *flows; /* UDP, last used first */
};

/* One side of a TCP connection. */
struct end {
  struct source source;
  struct connection *connection;
  /* What came from it and the other side did not take; nothing more is read before it has. */
  unsigned char *held;
  size_t first, last;
  int eof;    /* it sends no more */
  int shut;   /* it has been told that the other side sends no more */
  int broken; /* it takes no more: the error was told by a write, and a read calls it the end of the file */
};

struct connection {
  struct end client, server;
  int connected, dead;
  struct connection *next; /* among those that have more to do, or are dead */
  int queued;
};

/* The datagrams of one client. */
struct flow {
  struct source source;
  struct listener *listener;
  struct sockaddr_storage client;
  socklen_t client_size;
  /* IP_PKTINFO of the last datagram: the answer leaves from the address that it was sent to. */
  _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
  size_t control_size;
  time_t used;
  int dead;
  struct flow *next;
};

struct loop {
  int epoll;
  struct connection *queue;
  struct listener *listeners;
  size_t n_listeners, n_flows, max_flows, n_connections, max_connections;
  struct flow *dead_flows;
  time_t next_sweep;
};

/* What is passed on, from one read to the next write. */
static unsigned char buffer[65536];

static time_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static int watch(struct loop *l, struct source *s) {
  int is_udp = s->kind == UDP_SOCKET || s->kind == UDP_FLOW;
  struct epoll_event event = {.events = is_udp ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
  return epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &event);
}

/* Dealt with once the events at hand have been: others of them may still point to it. */
static void enqueue(struct loop *l, struct connection *c) {
  if (c->queued) return;
  c->queued = 1;
  c->next = l->queue;
  l->queue = c;
}

/* Who is left sees a reset, as without a proxy: to see an end would mean that all has been said. */
static void reset(struct loop *l, struct connection *c) {
  const struct linger now_ = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->client.source.fd, SOL_SOCKET, SO_LINGER, &now_, sizeof now_);
  setsockopt(c->server.source.fd, SOL_SOCKET, SO_LINGER, &now_, sizeof now_);
  c->dead = 1;
  enqueue(l, c);
}

/* Returns 0, or -1 without memory. */
static int hold(struct end *from, const unsigned char *bytes, size_t n) {
  from->held = malloc(n);
  if (from->held == NULL) return -1;
  memcpy(from->held, bytes, n);
  from->first = 0;
  from->last = n;
  return 0;
}

/* Returns how many bytes the kernel took, 0 when it takes none now, or -1. */
static ssize_t send_some(struct end *to, const unsigned char *bytes, size_t n) {
  ssize_t sent = send(to->source.fd, bytes, n, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return 0;
  to->broken = sent < 0;
  return sent;
}

/* Moves what it can from one end to the other: 1 when there may be more, 0 when the kernel has to be waited for, -1 broken. */
static int move(struct end *from, struct end *to) {
  for (int round = 0; round < TURN_ROUNDS; round++) {
    if (from->held != NULL) {
      ssize_t sent = send_some(to, from->held + from->first, from->last - from->first);
      if (sent <= 0) return (int)sent;
      from->first += (size_t)sent;
      if (from->first < from->last) continue;
      free(from->held);
      from->held = NULL;
    }
    if (from->eof) { /* and all before it has been written */
      if (from->broken || (!to->shut && shutdown(to->source.fd, SHUT_WR) < 0)) return -1;
      to->shut = 1;
      return 0;
    }
    ssize_t n = read(from->source.fd, buffer, sizeof buffer);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    from->eof = n == 0;
    if (n == 0) continue;
    ssize_t sent = send_some(to, buffer, (size_t)n);
    if (sent < 0 || (sent < n && hold(from, buffer + sent, (size_t)(n - sent)) < 0)) return -1;
  }
  return 1;
}

/* Both ways, also when one is broken: a server may have answered before it broke off. */
static void serve_connection(struct loop *l, struct connection *c) {
  if (c->dead || !c->connected) return;
  int there = move(&c->client, &c->server), back = move(&c->server, &c->client);
  if (there < 0 || back < 0) reset(l, c);
  else if (c->client.shut && c->server.shut) c->dead = 1, enqueue(l, c);
  else if (there > 0 || back > 0) enqueue(l, c);
}

/* An error is told of once, and the bytes that are held keep it from being read: it ends the connection now. */
static void end_event(struct loop *l, struct end *e, unsigned events) {
  struct connection *c = e->connection;
  if (c->dead) return;
  if (e == &c->server && (events & EPOLLOUT) != 0 && (events & EPOLLERR) == 0) c->connected = 1;
  serve_connection(l, c);
  if ((events & EPOLLERR) != 0 && !c->dead) reset(l, c);
}

static int connect_to(const struct proxy_port *port) {
  int type = port->is_udp ? SOCK_DGRAM : SOCK_STREAM;
  int fd = socket(port->target.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const void *)&port->target, port->target_size) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

/* Bytes go on at once, as they came (Nagle's wait would be a second one); and a peer that is no more is noticed some day. */
static void set_tcp_options(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void start_connection(struct loop *l, const struct proxy_port *port, int client) {
  struct connection *c = calloc(1, sizeof *c);
  int server = c == NULL ? -1 : connect_to(port);
  if (server < 0) {
    free(c);
    close(client);
    return;
  }
  c->client.source = (struct source){TCP_END, client};
  c->server.source = (struct source){TCP_END, server};
  c->client.connection = c->server.connection = c;
  l->n_connections++;
  set_tcp_options(client);
  set_tcp_options(server);
  /* The server's end first: it must be known to be connected before the client's bytes are moved. */
  if (watch(l, &c->server.source) < 0 || watch(l, &c->client.source) < 0) reset(l, c);
}

/* Who is one too many waits in the kernel; the end of any connection comes back here. */
static void accept_all(struct loop *l, struct listener *listener) {
  while (l->n_connections < l->max_connections) {
    int client = accept4(listener->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) start_connection(l, listener->port, client);
    else if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

/* Its memory is freed once the events at hand have been dealt with: others of them may still point to it. */
static void forget_flow(struct loop *l, struct flow *f) {
  struct flow **at = &f->listener->flows;
  while (*at != f) at = &(*at)->next;
  *at = f->next;
  l->n_flows--;
  close(f->source.fd);
  f->dead = 1;
  f->next = l->dead_flows;
  l->dead_flows = f;
}

/* The flow of this client, moved to the front; NULL when it has none. */
static struct flow *find_flow(struct listener *listener, const struct sockaddr_storage *client, socklen_t size) {
  for (struct flow **at = &listener->flows; *at != NULL; at = &(*at)->next) {
    struct flow *f = *at;
    if (f->client_size != size || memcmp(&f->client, client, size) != 0) continue;
    *at = f->next;
    f->next = listener->flows;
    listener->flows = f;
    return f;
  }
  return NULL;
}

/* The flow of this listener that was not used for the longest time makes room. */
static void make_room(struct loop *l, struct listener *listener) {
  struct flow *last = listener->flows;
  while (last != NULL && last->next != NULL) last = last->next;
  if (last != NULL) forget_flow(l, last);
}

static struct flow *new_flow(struct loop *l, struct listener *listener, const struct sockaddr_storage *client, socklen_t size) {
  if (l->n_flows >= l->max_flows) make_room(l, listener);
  if (l->n_flows >= l->max_flows) return NULL;
  struct flow *f = calloc(1, sizeof *f);
  if (f == NULL) return NULL;
  f->source = (struct source){UDP_FLOW, connect_to(listener->port)};
  if (f->source.fd < 0 || watch(l, &f->source) < 0) {
    if (f->source.fd >= 0) close(f->source.fd);
    free(f);
    return NULL;
  }
  f->listener = listener;
  memcpy(&f->client, client, size);
  f->client_size = size;
  f->next = listener->flows;
  listener->flows = f;
  l->n_flows++;
  return f;
}

static void datagrams_to_server(struct loop *l, struct listener *listener) {
  for (int i = 0; i < TURN_DATAGRAMS; i++) {
    struct sockaddr_storage client = {0};
    _Alignas(struct cmsghdr) unsigned char control[sizeof ((struct flow *)0)->control];
    struct iovec bytes = {buffer, sizeof buffer};
    struct msghdr m = {.msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(listener->source.fd, &m, 0);
    if (n < 0) return;
    struct flow *f = find_flow(listener, &client, m.msg_namelen);
    if (f == NULL) f = new_flow(l, listener, &client, m.msg_namelen);
    if (f == NULL) continue;
    memcpy(f->control, control, m.msg_controllen);
    f->control_size = m.msg_controllen;
    f->used = now();
    send(f->source.fd, buffer, (size_t)n, MSG_NOSIGNAL); /* a datagram that cannot be sent is lost, as on any network */
  }
}

static void datagrams_to_client(struct flow *f) {
  for (int i = 0; i < TURN_DATAGRAMS; i++) {
    ssize_t n = recv(f->source.fd, buffer, sizeof buffer, 0);
    if (n < 0) return; /* none, or an answer by ICMP, which is read by that */
    struct iovec bytes = {buffer, (size_t)n};
    struct msghdr m = {.msg_name = &f->client, .msg_namelen = f->client_size, .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = f->control, .msg_controllen = f->control_size};
    sendmsg(f->listener->source.fd, &m, MSG_NOSIGNAL);
    f->used = now();
  }
}

static void handle(struct loop *l, struct source *s, unsigned events) {
  switch (s->kind) {
    case TCP_LISTENER: accept_all(l, (struct listener *)s); break;
    case UDP_SOCKET: datagrams_to_server(l, (struct listener *)s); break;
    case TCP_END: end_event(l, (struct end *)s, events); break;
    case UDP_FLOW:
      if (!((struct flow *)s)->dead) datagrams_to_client((struct flow *)s);
      break;
  }
}

/* Connections that had their turn and have more to move, and those that are over. */
static void serve_queue(struct loop *l) {
  struct connection *c = l->queue;
  int ended = 0;
  l->queue = NULL;
  while (c != NULL) {
    struct connection *next = c->next;
    c->queued = 0;
    if (c->dead) {
      close(c->client.source.fd);
      close(c->server.source.fd);
      free(c->client.held);
      free(c->server.held);
      free(c);
      l->n_connections--;
      ended = 1;
    } else {
      serve_connection(l, c);
    }
    c = next;
  }
  for (size_t i = 0; ended && i < l->n_listeners; i++)
    if (l->listeners[i].source.kind == TCP_LISTENER) accept_all(l, &l->listeners[i]);
}

static void sweep_flows(struct loop *l) {
  time_t limit = now() - FLOW_SECONDS;
  if (now() < l->next_sweep) return;
  l->next_sweep = now() + SWEEP_SECONDS;
  for (size_t i = 0; i < l->n_listeners; i++)
    for (struct flow *f = l->listeners[i].flows, *next; f != NULL; f = next) {
      next = f->next;
      if (f->used < limit) forget_flow(l, f);
    }
}

static void free_dead_flows(struct loop *l) {
  while (l->dead_flows != NULL) {
    struct flow *f = l->dead_flows;
    l->dead_flows = f->next;
    free(f);
  }
}

/* A flow takes one, a connection two. */
static void share_descriptors(struct loop *l, size_t max_fds) {
  size_t own = OWN_FDS + l->n_listeners, rest = max_fds > own ? max_fds - own : 0;
  l->max_flows = rest / FLOWS_SHARE < MAX_FLOWS ? rest / FLOWS_SHARE : MAX_FLOWS;
  l->max_connections = (rest - l->max_flows) / 2;
}

void proxy_serve(void *argument) {
  const struct proxy *proxy = argument;
  struct loop l = {.epoll = epoll_create1(EPOLL_CLOEXEC), .n_listeners = proxy->n};
  share_descriptors(&l, proxy->max_fds);
  l.listeners = calloc(proxy->n, sizeof *l.listeners);
  if (l.epoll < 0 || l.listeners == NULL) return;
  for (size_t i = 0; i < proxy->n; i++) {
    const struct proxy_port *port = &proxy->ports[i];
    l.listeners[i] = (struct listener){{port->is_udp ? UDP_SOCKET : TCP_LISTENER, port->listener}, port, NULL};
    if (watch(&l, &l.listeners[i].source) < 0) return;
  }
  for (;;) {
    struct epoll_event events[64];
    int n = epoll_wait(l.epoll, events, sizeof events / sizeof *events, l.queue != NULL ? 0 : l.n_flows > 0 ? SWEEP_SECONDS * 1000 : -1);
    if (n < 0 && errno != EINTR) return;
    for (int i = 0; i < n; i++) handle(&l, events[i].data.ptr, events[i].events);
    serve_queue(&l);
    sweep_flows(&l);
    free_dead_flows(&l);
  }
}
