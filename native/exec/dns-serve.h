/* The DNS server of one container. RFC 1035, RFC 7766 (TCP). */
#ifndef DNS_SERVE_H
#define DNS_SERVE_H
#include "dns-forward.h"
#include "dns-names.h"

struct dns_server {
  int until;    /* a pidfd: it serves as long as that process lives; -1 for ever */
  int udp, tcp; /* 127.0.0.11 in the container's network namespace; the listener does not block */
  struct dns_names names;
  struct forwarder forwarder; /* its sockets are of the namespace that this process is in: the host's */
};

/* Returns when the process of `until` has ended. */
void dns_serve(struct dns_server *server);

#endif
