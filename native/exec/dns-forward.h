/* Questions on their way to the resolvers of the host: asked in turn, over the protocol of who asks, until one answers. */
#ifndef DNS_FORWARD_H
#define DNS_FORWARD_H
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns-packet.h"

/* A resolver's client waits 5 seconds by default (resolv.conf(5)): three tries end before that. */
#define FORWARD_TRIES 3
#define FORWARD_TRY_MS 1500
#define MAX_FORWARDS 128
#define MAX_UPSTREAMS 3 /* as many as resolv.conf(5) can name */

/* Who asked, and hears the answer. */
struct dns_client {
  int connection; /* -1: over UDP */
  uint32_t serial; /* of the connection, whose place may be another's by then */
  struct sockaddr_storage address;
  socklen_t address_length;
};

struct forward_try {
  int fd;         /* -1: none */
  size_t done;    /* over TCP: bytes sent, then bytes received */
  uint8_t *reply; /* over TCP: length and message */
};

struct forward {
  int active, tcp, tries;
  int64_t next_ms; /* when the next try begins, or the last one is given up */
  struct dns_client client;
  struct dns_question question;
  uint8_t *query; /* room for 2 bytes of length before it, as TCP wants it */
  size_t length;
  uint16_t client_id;
  struct forward_try attempts[FORWARD_TRIES];
};

struct forwarder {
  struct sockaddr_storage upstreams[MAX_UPSTREAMS];
  int n_upstreams;
  struct forward forwards[MAX_FORWARDS];
  /* `message` bears the number that the client gave its question; NULL when no resolver answered. */
  void (*deliver)(void *context, const struct forward *forward, const uint8_t *message, size_t length);
  void *context;
};

/* Takes over a question. Returns 0, or -1 when there is no resolver or no room. */
int forward_start(struct forwarder *f, const struct dns_client *client, int tcp, const uint8_t *query, size_t length,
                  const struct dns_question *question);

/* The descriptor and events that a try waits for; fd -1 when it does not wait. */
struct pollfd forward_wants(const struct forward *forward, int attempt);
void forward_ready(struct forwarder *f, struct forward *forward, int attempt);
/* Begins what is due; returns when the next thing is, or `latest`. */
int64_t forward_due(struct forwarder *f, int64_t now_ms, int64_t latest);

/* Reads `192.0.2.1`, `fe80::1%eth0`. Returns 0, or -1. */
int forward_upstream(struct sockaddr_storage *address, const char *text);

#endif
