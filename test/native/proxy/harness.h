/* The proxy between two ends that are both this program: clients, and the servers that it passes them on to. The first thing that is
 * not as it should be ends the program with a line that says so. */
#ifndef HARNESS_H
#define HARNESS_H
#include <stddef.h>
#include <stdint.h>

struct side {
  int fd; /* -1 when closed */
  uint64_t sent, got;
  int shut;   /* it sends no more */
  int ended;  /* it has read the end of what the other sends */
  int failed; /* an error has been read, which is told only once */
};

enum { CLIENT, SERVER };

/* A connection through the proxy. */
struct pair {
  struct side side[2];
  uint64_t id;
  int broken; /* by a reset, or because one side is gone altogether */
};

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts the proxy with that many descriptors; it is ended, and asked for leaks, at the end of the program. */
void start_proxy(size_t max_fds);
/* How many descriptors it has, and how many bytes it has allocated. */
size_t proxy_fds(void);
size_t proxy_bytes(void);
void end_proxy(void);

/* A client that has not been passed on yet; or -1. */
int dial_tcp(void);
int dial_udp(void);
/* The server's side of the next client, after up to 5 seconds. */
int accept_next(void);
struct pair open_pair(void);
/* The server answers each datagram with itself. */
void echo_datagrams(void);

/* Each does what can be done without waiting, and returns how many bytes that was. */
size_t send_bytes(struct pair *p, int who, size_t n);
size_t receive_bytes(struct pair *p, int who, size_t n);
void shut_side(struct pair *p, int who);
void close_side(struct pair *p, int who);
void reset_side(struct pair *p, int who);

/* The byte at that place of what this side sends. */
uint8_t byte_at(uint64_t id, int who, uint64_t offset);
double seconds(void);
/* Waits a moment, until a condition that is asked for again and again; fails after 10 seconds since `from`. */
void wait_a_moment(double from, const char *what);

#endif
