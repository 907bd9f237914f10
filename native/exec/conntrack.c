/* The op on flows of packets that the kernel remembers. linux/netfilter/nfnetlink_conntrack.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/netlink.h"
#include "run.h"

#define FLOWS_SIZE (1 << 20)

/* What names a flow among all others. */
static int names_flow(const struct nlattr *a) {
  int type = a->nla_type & NLA_TYPE_MASK;
  return type == CTA_TUPLE_ORIG || type == CTA_ZONE || type == CTA_ID;
}

/* Turns the description of a flow into the message that deletes it. */
static void delete_message(struct nlmsghdr *m) {
  struct nfgenmsg *generic = NLMSG_DATA(m);
  uint8_t *bytes = (uint8_t *)m;
  size_t end = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof *generic), length = m->nlmsg_len;
  for (size_t at = end; at + NLA_HDRLEN <= length;) {
    const struct nlattr *a = (const void *)(bytes + at);
    size_t size = a->nla_len;
    if (size < NLA_HDRLEN || size > length - at) break;
    int kept = names_flow(a);
    if (kept) memmove(bytes + end, bytes + at, NLA_ALIGN(size));
    if (kept) end += NLA_ALIGN(size);
    at += NLA_ALIGN(size);
  }
  *m = (struct nlmsghdr){
      .nlmsg_len = (uint32_t)end, .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
  };
  generic->version = NFNETLINK_V0;
  generic->res_id = 0;
}

/* One that is not there any more has ended by itself. */
static int delete_flows(int socket, struct netlink_answer *flows) {
  struct netlink_answer answer = {0};
  for (size_t at = 0; at < flows->length;) {
    struct nlmsghdr *m = (void *)(flows->replies + at);
    at += NLMSG_ALIGN(m->nlmsg_len);
    if (m->nlmsg_len < NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg))) continue;
    delete_message(m);
    int error = netlink_exchange(socket, (const uint8_t *)m, m->nlmsg_len, &answer);
    if (error < 0 && error != -ENOENT) return error;
  }
  return 0;
}

int op_delete_flows(struct run *r, const struct plan_op *op) {
  const uint8_t *dump = (const uint8_t *)plan_bytes(r->plan, op->f[DELETE_FLOWS_REQUEST]) + TSR_REQUEST_PREFIX_SIZE;
  size_t length = plan_len(op->f[DELETE_FLOWS_REQUEST]) - TSR_REQUEST_PREFIX_SIZE;
  int socket = r->fds[op->f[DELETE_FLOWS_SOCKET]], dumped, result;
  struct netlink_answer flows = {.replies = malloc(FLOWS_SIZE), .capacity = FLOWS_SIZE};
  if (flows.replies == NULL) return -ENOMEM;
  do { /* more flows than there is room for: the rest is in the next dump */
    dumped = netlink_exchange(socket, dump, length, &flows);
    result = dumped == 0 || dumped == -EMSGSIZE ? delete_flows(socket, &flows) : dumped;
  } while (dumped == -EMSGSIZE && result == 0);
  free(flows.replies);
  return result;
}
