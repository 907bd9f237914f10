/* What can happen to the proxy, by name:
 *   traffic random SEED STEPS   connections that are half closed, reset, stalled and large, and datagrams of many clients, in any order
 *   traffic early-answer        a server that answers and breaks off while the client still sends
 *   traffic stalled             a server that reads nothing, and a client that breaks off
 *   traffic idle                many connections that say nothing any more
 *   traffic crowd               more clients than descriptors, of UDP and TCP
 *   traffic flood               TCP beside clients who send datagrams without end
 *   traffic small-writes        a request that comes in two pieces
 * Prints `good`. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define MAX_FDS 1024
#define MAX_FLOWS (MAX_FDS / 4)

static uint64_t state;

/* 0 to below - 1: xorshift64. */
static unsigned pick(unsigned below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)(state >> 33) % below;
}

static size_t random_size(void) { return 1 + pick(1u << (1 + pick(18))); }

#define N_PAIRS 48
static struct pair pairs[N_PAIRS];

static int is_free(const struct pair *p) { return p->side[CLIENT].fd < 0 && p->side[SERVER].fd < 0; }

/* A client that is gone before anybody has answered. The server may still hear of it. */
static void hit_and_run(void) {
  struct pair p = {.side = {{.fd = dial_tcp()}, {.fd = -1}}};
  if (pick(2) == 0) send_bytes(&p, CLIENT, random_size());
  if (pick(2) == 0) reset_side(&p, CLIENT);
  else close_side(&p, CLIENT);
  close(accept_next());
}

/* Every third connection has a server that reads little: what is sent to it piles up. */
static void step_tcp(void) {
  struct pair *p = &pairs[pick(N_PAIRS)];
  if (is_free(p)) {
    *p = open_pair();
    return;
  }
  int who = (int)pick(2), what = (int)pick(100);
  struct side *s = &p->side[who];
  if (s->fd < 0 || s->failed) {
    if (pick(4) == 0 && s->fd >= 0) close_side(p, who);
  } else if (what < 45) {
    if (!s->shut) send_bytes(p, who, random_size() * (pick(8) == 0 ? 4 : 1));
  } else if (what < 90) {
    if (!s->ended && !(who == SERVER && p->id % 3 == 0 && pick(20) > 0)) receive_bytes(p, who, random_size());
  } else if (what < 94) {
    if (!s->shut) shut_side(p, who);
  } else if (what < 96) {
    reset_side(p, who);
  } else if (what < 98) {
    close_side(p, who);
  } else {
    hit_and_run();
  }
}

#define N_PEERS 64
static struct peer {
  int fd;
  uint64_t id;
} peers[N_PEERS];
static uint64_t n_peers, n_questions, n_answers;

static void read_answers(const struct peer *peer) {
  static uint8_t bytes[65536];
  for (ssize_t n; (n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0; n_answers++) {
    for (ssize_t i = 0; i < n; i++)
      if (bytes[i] != byte_at(peer->id, CLIENT, (uint64_t)(i + n))) fail("client %lu of UDP: a datagram of %zd bytes that is not its own", peer->id, n);
  }
}

static void step_udp(void) {
  static uint8_t bytes[60000];
  struct peer *peer = &peers[pick(N_PEERS)];
  if (peer->fd < 0 || pick(4) == 0) {
    if (peer->fd >= 0) close(peer->fd);
    *peer = (struct peer){dial_udp(), 1000000 + n_peers++};
  }
  size_t n = random_size() % sizeof bytes;
  for (size_t i = 0; i < n; i++) bytes[i] = byte_at(peer->id, CLIENT, i + n);
  if (send(peer->fd, bytes, n, 0) >= 0) n_questions++;
  echo_datagrams();
  read_answers(peer);
}

/* What is whole says its last words, and all of them must arrive. */
static void finish_pair(struct pair *p) {
  for (int who = CLIENT; who <= SERVER && !p->broken; who++)
    if (!p->side[who].shut) shut_side(p, who);
  for (double from = seconds(); !p->broken && !(p->side[CLIENT].ended && p->side[SERVER].ended);) {
    size_t moved = 0;
    for (int who = CLIENT; who <= SERVER; who++)
      if (!p->side[who].ended) moved += receive_bytes(p, who, 1 << 18);
    if (moved == 0) wait_a_moment(from, "the last bytes of a connection");
    else from = seconds();
  }
  for (int who = CLIENT; who <= SERVER; who++)
    if (p->side[who].fd >= 0) close_side(p, who);
}

static void random_traffic(uint64_t seed, int steps) {
  state = seed * 0x9e3779b97f4a7c15u | 1;
  size_t before = proxy_fds(), most = 0;
  for (int i = 0; i < N_PAIRS; i++) pairs[i].side[CLIENT].fd = pairs[i].side[SERVER].fd = -1;
  for (int i = 0; i < N_PEERS; i++) peers[i].fd = -1;
  for (int i = 0; i < steps; i++) {
    if (pick(8) == 0) step_udp();
    else step_tcp();
    if (i % 256 == 0 && proxy_fds() > most) most = proxy_fds();
  }
  for (int i = 0; i < N_PAIRS; i++) finish_pair(&pairs[i]);
  size_t flows = n_peers < MAX_FLOWS ? n_peers : MAX_FLOWS;
  for (double from = seconds(); proxy_fds() > before + flows;) wait_a_moment(from, "descriptors of connections that are over");
  for (double from = seconds(); proxy_bytes() > 65536 + flows * 1024;) wait_a_moment(from, "memory of connections that are over");
  for (int i = 0; i < N_PEERS; i++)
    if (peers[i].fd >= 0) echo_datagrams(), read_answers(&peers[i]);
  if (n_questions > 100 && n_answers < n_questions / 2) fail("%lu of %lu datagrams were answered", n_answers, n_questions);
  fprintf(stderr, "%zu descriptors at most; datagrams: %lu, answered: %lu, clients: %lu\n", most, n_questions, n_answers, n_peers);
}

/* As a server that refuses an upload: without a proxy the client reads the answer, and then that the connection is broken. */
static void early_answer(void) {
  enum { ANSWER = 5000, TIMES = 20 };
  for (int time = 0; time < TIMES; time++) {
    struct pair p = open_pair();
    send_bytes(&p, CLIENT, 1 << 18);
    for (double from = seconds(); receive_bytes(&p, SERVER, 1000) == 0;) wait_a_moment(from, "the request");
    send_bytes(&p, SERVER, ANSWER);
    close_side(&p, SERVER);
    for (double from = seconds(); !p.side[CLIENT].failed && !p.side[CLIENT].ended;) {
      send_bytes(&p, CLIENT, 1000);
      p.side[CLIENT].failed = 0; /* told by send: what was said before is read all the same */
      if (receive_bytes(&p, CLIENT, 1 << 18) == 0) wait_a_moment(from, "the end of a broken connection");
    }
    if (p.side[CLIENT].got != ANSWER) fail("%lu bytes of the answer arrived", p.side[CLIENT].got);
    close_side(&p, CLIENT);
  }
}

/* The proxy cannot read that the client is gone: bytes that the server does not take stand before it. */
static void stalled(void) {
  enum { MANY = 10 };
  struct pair p[MANY];
  size_t before = proxy_fds();
  for (int i = 0; i < MANY; i++) {
    p[i] = open_pair();
    while (send_bytes(&p[i], CLIENT, 1 << 18) > 0) continue;
  }
  for (int i = 0; i < MANY; i++) reset_side(&p[i], CLIENT);
  for (double from = seconds(); proxy_fds() > before;) wait_a_moment(from, "the end of connections that stand still");
  for (int i = 0; i < MANY; i++) close_side(&p[i], SERVER);
}

static void exchange(struct pair *p) {
  for (int who = CLIENT; who <= SERVER; who++) {
    uint64_t want = p->side[!who].got + 1;
    send_bytes(p, who, 1);
    for (double from = seconds(); p->side[!who].got < want;)
      if (receive_bytes(p, !who, 1) == 0) wait_a_moment(from, "a byte");
  }
}

static void idle(void) {
  enum { MANY = 300 };
  static struct pair p[MANY];
  size_t before = proxy_bytes();
  for (int i = 0; i < MANY; i++) {
    p[i] = open_pair();
    exchange(&p[i]);
  }
  size_t each = (proxy_bytes() - before) / MANY;
  if (each > 1024) fail("an idle connection costs %zu bytes", each);
  for (int i = 0; i < MANY; i++) finish_pair(&p[i]);
}

/* Clients of UDP come first and stay. Those of TCP, which wait all at once, have their turn as others end. */
static void crowd(void) {
  enum { PEERS = 200, CLIENTS = 100 };
  struct pair p[CLIENTS] = {0};
  for (int i = 0; i < PEERS; i++) {
    struct pollfd answer = {dial_udp(), POLLIN, 0};
    if (send(answer.fd, "?", 1, 0) < 0) fail("send: %m");
    for (double from = seconds(); poll(&answer, 1, 0) == 0; wait_a_moment(from, "an answer to a datagram")) echo_datagrams();
  }
  for (int i = 0; i < CLIENTS; i++) p[i].side[CLIENT].fd = dial_tcp();
  for (int i = 0; i < CLIENTS; i++) {
    p[i].side[SERVER].fd = accept_next();
    exchange(&p[i]);
    finish_pair(&p[i]);
  }
}

static void flood(void) {
  enum { SENDERS = 4 };
  pid_t senders[SENDERS];
  for (int i = 0; i < SENDERS; i++) {
    senders[i] = fork();
    if (senders[i] > 0) continue;
    int fd = dial_udp();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;)
      if (send(fd, "?", 1, 0) < 0 && errno != ECONNREFUSED) _exit(1);
  }
  for (int i = 0; i < 20; i++) {
    struct pair p = open_pair();
    exchange(&p);
    finish_pair(&p);
  }
  for (int i = 0; i < SENDERS; i++) kill(senders[i], SIGKILL), waitpid(senders[i], NULL, 0);
}

/* Nagle's algorithm keeps the second piece back until the first is acknowledged, which the receiver puts off for 40 ms. */
static void small_writes(void) {
  enum { TIMES = 30 };
  struct pair p = open_pair();
  double from = seconds();
  for (int i = 0; i < TIMES; i++) {
    send_bytes(&p, CLIENT, 1);
    usleep(2000);
    send_bytes(&p, CLIENT, 1);
    for (uint64_t want = p.side[SERVER].got + 2; p.side[SERVER].got < want;)
      if (receive_bytes(&p, SERVER, 2) == 0) wait_a_moment(from, "both pieces of a request");
    send_bytes(&p, SERVER, 1);
    while (receive_bytes(&p, CLIENT, 1) == 0) wait_a_moment(from, "an answer");
  }
  fprintf(stderr, "%.1f ms a request\n", (seconds() - from) / TIMES * 1000);
  if (seconds() - from > TIMES * 0.030) fail("a request takes %.1f ms", (seconds() - from) / TIMES * 1000);
  finish_pair(&p);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  start_proxy(strcmp(what, "crowd") == 0 ? 64 : MAX_FDS);
  if (strcmp(what, "random") == 0 && argc == 4) random_traffic(strtoull(argv[2], NULL, 10), atoi(argv[3]));
  else if (strcmp(what, "early-answer") == 0) early_answer();
  else if (strcmp(what, "stalled") == 0) stalled();
  else if (strcmp(what, "idle") == 0) idle();
  else if (strcmp(what, "crowd") == 0) crowd();
  else if (strcmp(what, "flood") == 0) flood();
  else if (strcmp(what, "small-writes") == 0) small_writes();
  else fail("no traffic of that name");
  end_proxy();
  puts("good");
  return 0;
}
