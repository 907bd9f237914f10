/* A request on a netlink socket, and everything the kernel answers. netlink(7). */
#ifndef NETLINK_H
#define NETLINK_H
#include <stddef.h>
#include <stdint.h>

/* Where answers go. `text` receives what the kernel says about a failure (its extended ack), else the empty string. */
struct netlink_answer {
  char text[200];
  uint8_t *replies; /* NULL: replies are dropped, only acks count */
  size_t capacity, length;
};

/* A socket of `protocol` in the network namespace `netns`, or in this process's own when that is -1. */
int netlink_open(int protocol, int netns);

/* Whether `length` bytes are whole messages, each within the bytes. */
int netlink_well_formed(const uint8_t *messages, size_t length);

/* Sends all messages at once and waits for the answer of each that asks for one (NLM_F_ACK, NLM_F_DUMP). Returns 0, or
 * -errno of the first message that the kernel refused; -EMSGSIZE when `replies` is too small. */
int netlink_exchange(int socket, const uint8_t *messages, size_t length, struct netlink_answer *answer);

#endif
