/* The DNS server of one container. RFC 1035, RFC 7766 (TCP). */
#ifndef DNS_SERVE_H
#define DNS_SERVE_H
#include "dns-forward.h"
#include "dns-names.h"

struct dns_server {
  int udp, tcp; /* 127.0.0.11 in the container's network namespace; the listener does not block */
  struct dns_names names;
  struct forwarder forwarder; /* its sockets are of the namespace that this process is in: the host's */
};

/* Serves for ever. */
void dns_serve(struct dns_server *server);

#endif
