#define _GNU_SOURCE
#include "dns-serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 32
#define MAX_ADDRESSES 512
#define IDLE_MS 10000
#define MAX_UDP_QUERY 4096

/* One TCP client: its questions are answered one after the other. */
struct connection {
  int fd; /* -1: free */
  uint32_t serial;
  int waiting; /* for an answer from outside */
  int64_t ends_ms;
  size_t got, sent, out_length;
  uint8_t *in, *out; /* length and message; `out` while there is something to send */
};

struct serving {
  struct dns_server *server;
  struct connection connections[MAX_CONNECTIONS];
  uint32_t serial;
  int64_t now_ms;
};

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void hang_up(struct connection *c) {
  close(c->fd);
  free(c->in);
  free(c->out);
  *c = (struct connection){.fd = -1};
}

/* Takes over `message`, which lies behind two bytes of length. */
static void send_over_tcp(struct connection *c, uint8_t *out, size_t length) {
  dns_put_u16(out, (unsigned)length);
  free(c->in);
  c->in = NULL;
  c->got = c->sent = 0;
  c->out = out;
  c->out_length = length + 2;
  c->waiting = 0;
}

static void respond(struct serving *s, const struct dns_client *client, const uint8_t *message, size_t length) {
  if (client->connection < 0) {
    /* Who does not take the answer will ask again. */
    sendto(s->server->udp, message, length, MSG_DONTWAIT, (const void *)&client->address, client->address_length);
    return;
  }
  struct connection *c = &s->connections[client->connection];
  if (c->fd < 0 || c->serial != client->serial) return;
  uint8_t *out = malloc(length + 2);
  if (out == NULL) return hang_up(c);
  memcpy(out + 2, message, length);
  c->ends_ms = s->now_ms + IDLE_MS;
  send_over_tcp(c, out, length);
}

static size_t capacity_for(const struct dns_client *client, const struct dns_question *q) {
  return client->connection < 0 ? q->udp_size : DNS_MAX_MESSAGE;
}

static uint8_t answer_bytes[DNS_MAX_MESSAGE];

/* An answer without records. */
static void respond_code(struct serving *s, const struct dns_client *client, const uint8_t *query, const struct dns_question *q, int code,
                         int truncated) {
  struct dns_answer a;
  dns_answer_begin(&a, answer_bytes, sizeof answer_bytes, query, q, code);
  if (truncated) dns_answer_truncated(&a);
  respond(s, client, answer_bytes, dns_answer_end(&a));
}

/* Where the answer to this question begins this time: each address of a name comes first in its turn. */
static unsigned turn(const struct dns_question *q, unsigned count) {
  static unsigned turns[256];
  unsigned hash = q->type;
  for (const char *c = q->name; *c != 0; c++) hash = hash * 31 + (unsigned char)*c;
  return turns[hash % 256]++ % count;
}

static void add_addresses(struct serving *s, struct dns_answer *a, uint16_t type) {
  const uint8_t *found[MAX_ADDRESSES];
  int n = dns_names_addresses(&s->server->names, a->question->name, type, found, MAX_ADDRESSES);
  unsigned first = n > 0 ? turn(a->question, (unsigned)n) : 0;
  for (int i = 0; i < n; i++) dns_answer_address(a, type, found[(first + (unsigned)i) % (unsigned)n]);
}

/* Answers from the leases. Returns 0 when the question is about something else. */
static int answer_own(struct serving *s, const struct dns_client *client, const uint8_t *query, const struct dns_question *q) {
  const struct dns_names *names = &s->server->names;
  struct dns_answer a;
  char host[DNS_MAX_TEXT];
  uint8_t address[16];
  if ((q->class != DNS_IN && q->class != DNS_ANY) || q->name[0] == 0) return 0;
  dns_names_refresh(&s->server->names);
  uint16_t reversed = dns_reverse_address(q->name, address);
  if (reversed != 0) {
    if (dns_names_host(names, reversed, address, host, sizeof host) < 0) return 0;
  } else if (dns_names_addresses(names, q->name, 0, NULL, 0) < 0) {
    return 0;
  }
  dns_answer_begin(&a, answer_bytes, capacity_for(client, q), query, q, DNS_NOERROR);
  if (reversed != 0 && (q->type == DNS_PTR || q->type == DNS_ANY)) dns_answer_name(&a, host);
  if (reversed == 0 && (q->type == DNS_A || q->type == DNS_ANY)) add_addresses(s, &a, DNS_A);
  if (reversed == 0 && (q->type == DNS_AAAA || q->type == DNS_ANY)) add_addresses(s, &a, DNS_AAAA);
  respond(s, client, answer_bytes, dns_answer_end(&a));
  return 1;
}

/* Returns whether an answer will come, now or later. */
static int take_query(struct serving *s, const struct dns_client *client, const uint8_t *query, size_t length) {
  struct dns_question q;
  int code = dns_read_query(&q, query, length);
  if (code == DNS_NO_QUERY) return 0;
  if (code != DNS_NOERROR) respond_code(s, client, query, &q, code, 0);
  else if (!answer_own(s, client, query, &q) && forward_start(&s->server->forwarder, client, client->connection >= 0, query, length, &q) < 0)
    respond_code(s, client, query, &q, DNS_SERVFAIL, 0);
  return 1;
}

/* From forwarder.deliver. */
static void deliver(void *context, const struct forward *w, const uint8_t *message, size_t length) {
  struct serving *s = context;
  const uint8_t *query = w->query + 2;
  if (message == NULL) respond_code(s, &w->client, query, &w->question, DNS_SERVFAIL, 0);
  else if (dns_is_truncated(message) || length > capacity_for(&w->client, &w->question))
    respond_code(s, &w->client, query, &w->question, DNS_NOERROR, 1);
  else respond(s, &w->client, message, length);
}

static void read_udp(struct serving *s) {
  uint8_t query[MAX_UDP_QUERY];
  struct dns_client client = {.connection = -1, .address_length = sizeof client.address};
  ssize_t n = recvfrom(s->server->udp, query, sizeof query, MSG_DONTWAIT, (void *)&client.address, &client.address_length);
  if (n > 0) take_query(s, &client, query, (size_t)n);
}

static void take_connection(struct serving *s, struct connection *c) {
  int fd = accept4(s->server->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) *c = (struct connection){.fd = fd, .serial = ++s->serial, .ends_ms = s->now_ms + IDLE_MS};
}

static void read_tcp(struct serving *s, int index) {
  struct connection *c = &s->connections[index];
  if (c->in == NULL) c->in = malloc(2 + DNS_MAX_MESSAGE);
  if (c->in == NULL) return hang_up(c);
  size_t wanted = c->got < 2 ? 2 : 2 + (size_t)dns_u16(c->in);
  ssize_t n = recv(c->fd, c->in + c->got, wanted - c->got, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return hang_up(c);
  c->got += (size_t)n;
  if (c->got < 2 || c->got < 2 + (size_t)dns_u16(c->in)) return;
  struct dns_client client = {.connection = index, .serial = c->serial};
  c->waiting = 1;
  if (!take_query(s, &client, c->in + 2, c->got - 2)) hang_up(c);
}

static void write_tcp(struct serving *s, struct connection *c) {
  ssize_t n = send(c->fd, c->out + c->sent, c->out_length - c->sent, MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return hang_up(c);
  c->sent += (size_t)n;
  if (c->sent < c->out_length) return;
  free(c->out);
  c->out = NULL;
  c->ends_ms = s->now_ms + IDLE_MS;
}

static struct pollfd connection_wants(const struct connection *c) {
  return (struct pollfd){.fd = c->fd, .events = c->out != NULL ? POLLOUT : c->waiting ? 0 : POLLIN};
}

static void connection_ready(struct serving *s, int index) {
  struct connection *c = &s->connections[index];
  if (c->out != NULL) write_tcp(s, c);
  else if (c->waiting) hang_up(c); /* no event is asked for but the end */
  else read_tcp(s, index);
}

/* The first free place for a connection, or -1. */
static int free_place(const struct serving *s) {
  for (int i = 0; i < MAX_CONNECTIONS; i++)
    if (s->connections[i].fd < 0) return i;
  return -1;
}

/* Ends the connections that have been idle; returns when the next one will have been. */
static int64_t idle_due(struct serving *s) {
  int64_t next = INT64_MAX;
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    struct connection *c = &s->connections[i];
    if (c->fd < 0 || c->waiting) continue;
    if (c->ends_ms <= s->now_ms) hang_up(c);
    else if (c->ends_ms < next) next = c->ends_ms;
  }
  return next;
}

/* Descriptors are polled in this order: UDP, the TCP listener, the process that is served, connections, the tries of each forward. */
enum { AT_UNTIL = 2, AT_CONNECTIONS = 3, AT_TRIES = AT_CONNECTIONS + MAX_CONNECTIONS, POLLED = AT_TRIES + MAX_FORWARDS * FORWARD_TRIES };

/* Returns 0 when there is nobody left to serve. */
static int serve_once(struct serving *s) {
  static struct pollfd fds[POLLED];
  struct forwarder *f = &s->server->forwarder;
  s->now_ms = now_ms();
  int64_t next = forward_due(f, s->now_ms, idle_due(s));
  int place = free_place(s);
  fds[0] = (struct pollfd){.fd = s->server->udp, .events = POLLIN};
  fds[1] = (struct pollfd){.fd = place < 0 ? -1 : s->server->tcp, .events = POLLIN};
  fds[AT_UNTIL] = (struct pollfd){.fd = s->server->until, .events = POLLIN};
  for (int i = 0; i < MAX_CONNECTIONS; i++) fds[AT_CONNECTIONS + i] = connection_wants(&s->connections[i]);
  for (int i = 0; i < MAX_FORWARDS * FORWARD_TRIES; i++)
    fds[AT_TRIES + i] = forward_wants(&f->forwards[i / FORWARD_TRIES], i % FORWARD_TRIES);
  if (poll(fds, POLLED, next == INT64_MAX ? -1 : (int)(next - s->now_ms)) <= 0) return 1;
  if (fds[AT_UNTIL].revents) return 0;
  s->now_ms = now_ms();
  /* Answers first: what is handled here must still be what was polled. */
  for (int i = 0; i < MAX_FORWARDS * FORWARD_TRIES; i++) {
    struct forward *w = &f->forwards[i / FORWARD_TRIES];
    if (fds[AT_TRIES + i].revents && w->active && w->attempts[i % FORWARD_TRIES].fd == fds[AT_TRIES + i].fd)
      forward_ready(f, w, i % FORWARD_TRIES);
  }
  for (int i = 0; i < MAX_CONNECTIONS; i++)
    if (fds[AT_CONNECTIONS + i].revents && s->connections[i].fd == fds[AT_CONNECTIONS + i].fd) connection_ready(s, i);
  if (fds[0].revents) read_udp(s);
  if (fds[1].revents) take_connection(s, &s->connections[place]);
  return 1;
}

void dns_serve(struct dns_server *server) {
  static struct serving s;
  s.server = server;
  for (int i = 0; i < MAX_CONNECTIONS; i++) s.connections[i].fd = -1;
  server->forwarder.deliver = deliver;
  server->forwarder.context = &s;
  while (serve_once(&s)) continue;
}
