/* The names of the containers on the networks of one container, as the leases tell them: src/network/lease-format.ts. */
#ifndef DNS_NAMES_H
#define DNS_NAMES_H
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

struct dns_lease {
  uint16_t type; /* DNS_A or DNS_AAAA */
  uint8_t address[16];
  char *text; /* of the file, a NUL behind every line: container id, network, names, an empty one */
};

struct dns_names {
  const char *container; /* whose networks these are */
  DIR *networks;         /* a directory for each network */
  struct dns_lease *leases;
  size_t count, room;
  uint64_t stamp; /* of the directories when they were read */
};

/* Reads the leases again if a directory has changed since. */
void dns_names_refresh(struct dns_names *names);

/* The addresses of `type` that `name` has, at most `max` of them. Returns their number, or -1: nobody has that name. */
int dns_names_addresses(const struct dns_names *names, const char *name, uint16_t type, const uint8_t **found, int max);

/* Writes `name.network` of who has the address to `name`. Returns 0, or -1: nobody has it. */
int dns_names_host(const struct dns_names *names, uint16_t type, const uint8_t *address, char *name, size_t size);

#endif
