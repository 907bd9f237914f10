#define _GNU_SOURCE
#include "common/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Acks of a large request wait in the socket until they are read; the default holds about 250. */
#define RECEIVE_BUFFER (4 << 20)

static int open_here(int protocol) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  const int on = 1, size = RECEIVE_BUFFER;
  /* Without these an answer is longer and says less; nothing depends on them. */
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return fd;
}

/* A socket stays in the namespace it was made in, so this thread goes there only for the making. */
int netlink_open(int protocol, int netns) {
  if (netns < 0) return open_here(protocol);
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) return -errno;
  int fd = setns(netns, CLONE_NEWNET) < 0 ? -errno : open_here(protocol);
  if (setns(home, CLONE_NEWNET) < 0) {
    int error = errno;
    if (fd >= 0) close(fd);
    fd = -error;
  }
  close(home);
  return fd;
}

static const struct nlmsghdr *at(const uint8_t *bytes, size_t offset) { return (const void *)(bytes + offset); }

static size_t next(const uint8_t *bytes, size_t offset) { return offset + NLMSG_ALIGN(at(bytes, offset)->nlmsg_len); }

/* Whether a whole message begins at `offset`. */
static int whole(const uint8_t *bytes, size_t length, size_t offset) {
  if (offset > length || length - offset < NLMSG_HDRLEN) return 0;
  size_t size = at(bytes, offset)->nlmsg_len;
  return size >= NLMSG_HDRLEN && size <= length - offset;
}

int netlink_well_formed(const uint8_t *messages, size_t length) {
  size_t offset = 0;
  if (length % NLMSG_ALIGNTO != 0) return 0;
  while (offset < length) {
    if (!whole(messages, length, offset)) return 0;
    offset = next(messages, offset);
  }
  return offset == length && length > 0;
}

/* NLM_F_ROOT and NLM_F_MATCH are other things (NLM_F_REPLACE, NLM_F_EXCL) in a message that makes something. */
static int is_dump(const struct nlmsghdr *m) { return (m->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && !(m->nlmsg_flags & (NLM_F_CREATE | NLM_F_ACK)); }

static int answers_expected(const uint8_t *messages, size_t length) {
  int count = 0;
  for (size_t offset = 0; offset < length; offset = next(messages, offset)) {
    const struct nlmsghdr *m = at(messages, offset);
    count += (m->nlmsg_flags & NLM_F_ACK) != 0 || is_dump(m);
  }
  return count;
}

static int expects_answer(const uint8_t *messages, size_t length, uint32_t sequence) {
  for (size_t offset = 0; offset < length; offset = next(messages, offset)) {
    const struct nlmsghdr *m = at(messages, offset);
    if (m->nlmsg_seq == sequence) return (m->nlmsg_flags & NLM_F_ACK) != 0 || is_dump(m);
  }
  return 0;
}

/* The text of an extended ack, behind struct nlmsgerr and what it repeats of the request. */
static void read_extended_ack(const struct nlmsghdr *m, char *text, size_t size) {
  const struct nlmsgerr *error = NLMSG_DATA(m);
  if (!(m->nlmsg_flags & NLM_F_ACK_TLVS)) return;
  size_t offset = NLMSG_HDRLEN + sizeof *error;
  if (!(m->nlmsg_flags & NLM_F_CAPPED)) offset += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof error->msg;
  while (offset + NLA_HDRLEN <= m->nlmsg_len) {
    const struct nlattr *a = (const void *)((const uint8_t *)m + offset);
    if (a->nla_len < NLA_HDRLEN || a->nla_len > m->nlmsg_len - offset) return;
    size_t length = a->nla_len - NLA_HDRLEN;
    if ((a->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      if (length >= size) length = size - 1;
      memcpy(text, (const uint8_t *)a + NLA_HDRLEN, length);
      text[length] = 0;
      return;
    }
    offset += NLA_ALIGN(a->nla_len);
  }
}

struct exchange {
  const uint8_t *messages;
  size_t length;
  int pending;
  int error; /* of the first message that was refused */
  struct netlink_answer *answer;
};

static void keep_reply(struct exchange *x, const uint8_t *bytes, size_t size) {
  struct netlink_answer *a = x->answer;
  if (a->replies == NULL) return;
  if (size > a->capacity - a->length) {
    if (x->error == 0) x->error = -EMSGSIZE;
    return;
  }
  memcpy(a->replies + a->length, bytes, size);
  a->length += size;
}

static void read_answer(struct exchange *x, const uint8_t *bytes, size_t offset) {
  const struct nlmsghdr *m = at(bytes, offset);
  if (m->nlmsg_type == NLMSG_DONE) {
    x->pending--;
  } else if (m->nlmsg_type != NLMSG_ERROR) {
    keep_reply(x, bytes + offset, NLMSG_ALIGN(m->nlmsg_len));
  } else if (m->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct nlmsgerr)) {
    const struct nlmsgerr *error = NLMSG_DATA(m);
    if (error->error != 0 && x->error == 0) {
      x->error = error->error;
      read_extended_ack(m, x->answer->text, sizeof x->answer->text);
    }
    /* A transaction that is refused as a whole is answered once, for the message that begins it. */
    if (expects_answer(x->messages, x->length, m->nlmsg_seq)) x->pending--;
    else if (error->error != 0) x->pending = 0;
  }
}

static int send_all(int socket, const uint8_t *messages, size_t length) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  /* A message larger than the send buffer is refused (EMSGSIZE) whatever the socket does. */
  const int size = (int)(length * 2 + 65536);
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  ssize_t n;
  do n = sendto(socket, messages, length, 0, (const void *)&kernel, sizeof kernel);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 0;
}

int netlink_exchange(int socket, const uint8_t *messages, size_t length, struct netlink_answer *answer) {
  static _Thread_local _Alignas(struct nlmsghdr) uint8_t bytes[65536];
  struct exchange x = {messages, length, answers_expected(messages, length), 0, answer};
  answer->text[0] = 0;
  answer->length = 0;
  int sent = send_all(socket, messages, length);
  if (sent < 0) return sent;
  /* Without a time limit: the kernel handles a request within sendto(2), and its answers, to the first part of a dump, wait in the
   * socket when that returns; each recv(2) makes the next part. Only an answer that had no room could be missing: that is ENOBUFS here. */
  while (x.pending > 0) {
    ssize_t n = recv(socket, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    for (size_t offset = 0; whole(bytes, (size_t)n, offset); offset = next(bytes, offset)) read_answer(&x, bytes, offset);
  }
  return x.error;
}
