#define _GNU_SOURCE
#include "dns-forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RESOLVER_PORT 53

int forward_upstream(struct sockaddr_storage *address, const char *text) {
  struct sockaddr_in *v4 = (void *)address;
  struct sockaddr_in6 *v6 = (void *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(RESOLVER_PORT);
    return 0;
  }
  char plain[INET6_ADDRSTRLEN];
  size_t n = strcspn(text, "%");
  if (n >= sizeof plain) return -1;
  memcpy(plain, text, n);
  plain[n] = 0;
  if (inet_pton(AF_INET6, plain, &v6->sin6_addr) != 1) return -1;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(RESOLVER_PORT);
  /* Where there is no such interface, it is a resolver that is not there. */
  if (text[n] == '%') v6->sin6_scope_id = if_nametoindex(text + n + 1);
  return 0;
}

static void close_try(struct forward_try *t) {
  if (t->fd >= 0) close(t->fd);
  free(t->reply);
  *t = (struct forward_try){.fd = -1};
}

static void finish(struct forwarder *f, struct forward *w, uint8_t *message, size_t length) {
  if (message != NULL) dns_put_u16(message, w->client_id);
  dns_put_u16(w->query + 2, w->client_id);
  f->deliver(f->context, w, message, length);
  for (int i = 0; i < FORWARD_TRIES; i++) close_try(&w->attempts[i]);
  free(w->query);
  w->query = NULL;
  w->active = 0;
}

/* A socket of its own for each try: the kernel picks a source port that nobody can guess, and only the resolver that was asked
 * is heard. */
static int begin_try(struct forwarder *f, struct forward *w) {
  const struct sockaddr_storage *to = &f->upstreams[w->tries % f->n_upstreams];
  struct forward_try *t = &w->attempts[w->tries++];
  socklen_t size = to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  t->fd = socket(to->ss_family, (w->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (t->fd < 0) return -1;
  int done = connect(t->fd, (const void *)to, size);
  if (done == 0 && !w->tcp) done = send(t->fd, w->query + 2, w->length, 0) < 0 ? -1 : 0;
  else if (done < 0 && errno == EINPROGRESS) done = 0;
  if (done < 0) close_try(t);
  return done;
}

static int waits(const struct forward *w) {
  for (int i = 0; i < w->tries; i++)
    if (w->attempts[i].fd >= 0) return 1;
  return 0;
}

/* The next resolver is asked; earlier ones are still listened to. Returns whether there was one. */
static int next_try(struct forwarder *f, struct forward *w, int64_t now_ms) {
  while (w->tries < FORWARD_TRIES)
    if (begin_try(f, w) == 0) {
      w->next_ms = now_ms + FORWARD_TRY_MS;
      return 1;
    }
  return 0;
}

int forward_start(struct forwarder *f, const struct dns_client *client, int tcp, const uint8_t *query, size_t length,
                  const struct dns_question *question) {
  struct forward *w = NULL;
  for (int i = 0; i < MAX_FORWARDS && w == NULL; i++)
    if (!f->forwards[i].active) w = &f->forwards[i];
  if (w == NULL || f->n_upstreams == 0) return -1;
  *w = (struct forward){.tcp = tcp, .client = *client, .question = *question, .length = length, .client_id = dns_u16(query)};
  for (int i = 0; i < FORWARD_TRIES; i++) w->attempts[i].fd = -1;
  w->query = malloc(length + 2);
  uint16_t id;
  if (w->query == NULL || getrandom(&id, sizeof id, 0) != sizeof id) return free(w->query), -1;
  dns_put_u16(w->query, (unsigned)length);
  memcpy(w->query + 2, query, length);
  dns_put_u16(w->query + 2, id);
  w->active = 1; /* next_ms is 0: the first try is due */
  return 0;
}

struct pollfd forward_wants(const struct forward *w, int i) {
  const struct forward_try *t = &w->attempts[i];
  int sending = w->tcp && t->reply == NULL;
  return (struct pollfd){.fd = w->active ? t->fd : -1, .events = sending ? POLLOUT : POLLIN};
}

/* Over TCP: 1 when a whole message has arrived, 0 when there is more to do, -1 when the connection is of no use. */
static int step_tcp(struct forward *w, struct forward_try *t) {
  if (t->reply == NULL) {
    ssize_t n = send(t->fd, w->query + t->done, w->length + 2 - t->done, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    t->done += (size_t)n;
    if (t->done < w->length + 2) return 0;
    t->done = 0;
    t->reply = malloc(2 + DNS_MAX_MESSAGE);
    return t->reply == NULL ? -1 : 0;
  }
  size_t wanted = t->done < 2 ? 2 : 2 + (size_t)dns_u16(t->reply);
  ssize_t n = recv(t->fd, t->reply + t->done, wanted - t->done, 0);
  if (n < 0) return errno == EAGAIN ? 0 : -1;
  if (n == 0) return -1;
  t->done += (size_t)n;
  return t->done >= 2 && t->done == 2 + (size_t)dns_u16(t->reply);
}

/* Codes with which a resolver says that another one may know better. */
static int is_refusal(int code) { return code == DNS_SERVFAIL || code == DNS_NOTIMP || code == DNS_REFUSED; }

void forward_ready(struct forwarder *f, struct forward *w, int i) {
  static uint8_t datagram[DNS_MAX_MESSAGE];
  struct forward_try *t = &w->attempts[i];
  uint8_t *message = datagram;
  size_t length;
  if (w->tcp) {
    int done = step_tcp(w, t);
    if (done == 0) return;
    message = done > 0 ? t->reply + 2 : NULL;
    length = done > 0 ? t->done - 2 : 0;
  } else {
    ssize_t n = recv(t->fd, datagram, sizeof datagram, 0);
    if (n < 0 && errno == EAGAIN) return;
    length = n < 0 ? 0 : (size_t)n;
    if (n < 0) message = NULL; /* ECONNREFUSED: nobody is there */
  }
  int sound = message != NULL && dns_is_answer(message, &length, w->query + 2, &w->question);
  if (sound && !is_refusal(dns_code(message))) return finish(f, w, message, length);
  /* A datagram that is no answer may be forged: the true one can still come. */
  if (!sound && !w->tcp && message != NULL) return;
  close_try(t);
  if (w->tries < FORWARD_TRIES || !waits(w)) w->next_ms = 0;
}

int64_t forward_due(struct forwarder *f, int64_t now_ms, int64_t latest) {
  for (int i = 0; i < MAX_FORWARDS; i++) {
    struct forward *w = &f->forwards[i];
    if (!w->active) continue;
    int tried = w->tries;
    if (w->next_ms <= now_ms && !next_try(f, w, now_ms)) {
      if (tried == FORWARD_TRIES || !waits(w)) {
        finish(f, w, NULL, 0);
        continue;
      }
      w->next_ms = now_ms + FORWARD_TRY_MS;
    }
    if (w->next_ms < latest) latest = w->next_ms;
  }
  return latest;
}
