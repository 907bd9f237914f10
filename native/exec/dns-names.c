#define _GNU_SOURCE
#include "dns-names.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dns-packet.h"

#define MAX_LEASE_BYTES 65536
/* A file system stamps changes with a clock that stands still for up to 10 ms: two changes can bear the same time. */
#define SETTLED_MS 100

static int64_t ms(struct timespec t) { return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000; }

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
  for (const uint8_t *at = bytes; n > 0; n--) hash = (hash ^ *at++) * 0x100000001b3u;
  return hash;
}

/* A number that changes when a lease of any network comes or goes; 0 when a change may be too fresh to have shown. */
static uint64_t stamp_of(DIR *networks) {
  uint64_t stamp = 0xcbf29ce484222325u;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  rewinddir(networks);
  for (struct dirent *e; (e = readdir(networks)) != NULL;) {
    struct stat st;
    if (fstatat(dirfd(networks), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    stamp = mix(stamp, e->d_name, strlen(e->d_name));
    stamp = mix(stamp, &st.st_mtim, sizeof st.st_mtim);
    if (ms(now) - ms(st.st_mtim) < SETTLED_MS) stamp = 0;
    if (stamp == 0) break;
  }
  return stamp;
}

/* The text of a lease, or NULL. */
static char *read_text(int dir, const char *name) {
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return NULL;
  struct stat st;
  char *text = NULL;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_LEASE_BYTES) text = calloc((size_t)st.st_size + 3, 1);
  if (text != NULL && read(fd, text, (size_t)st.st_size) != st.st_size) {
    free(text);
    text = NULL;
  }
  close(fd);
  if (text == NULL) return NULL;
  /* Three NULs at the end: a text that lacks lines has empty ones. */
  for (char *c = text; *c != 0; c++)
    if (*c == '\n') *c = 0;
  return text;
}

static int add_lease(struct dns_names *names, int dir, const char *file) {
  struct dns_lease lease = {0};
  if (inet_pton(AF_INET, file, lease.address) == 1) lease.type = DNS_A;
  else if (inet_pton(AF_INET6, file, lease.address) == 1) lease.type = DNS_AAAA;
  else return 0; /* a lease in the making */
  if (names->count == names->room) {
    size_t room = names->room == 0 ? 64 : names->room * 2;
    struct dns_lease *more = realloc(names->leases, room * sizeof *more);
    if (more == NULL) return 0;
    names->leases = more;
    names->room = room;
  }
  lease.text = read_text(dir, file);
  if (lease.text == NULL) return 0;
  names->leases[names->count++] = lease;
  return strcmp(lease.text, names->container) == 0;
}

static void drop_leases(struct dns_names *names, size_t first) {
  while (names->count > first) free(names->leases[--names->count].text);
}

/* Keeps the leases of a network only if this container has one among them. */
static void read_network(struct dns_names *names, const char *network) {
  int fd = openat(dirfd(names->networks), network, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    if (fd >= 0) close(fd);
    return;
  }
  size_t first = names->count;
  int own = 0;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) own |= add_lease(names, dirfd(dir), e->d_name);
  closedir(dir);
  if (!own) drop_leases(names, first);
}

void dns_names_refresh(struct dns_names *names) {
  uint64_t stamp = stamp_of(names->networks);
  if (stamp != 0 && stamp == names->stamp) return;
  /* Taken before the reading: what changes meanwhile is seen at the next question. */
  names->stamp = stamp;
  drop_leases(names, 0);
  rewinddir(names->networks);
  for (struct dirent *e; (e = readdir(names->networks)) != NULL;)
    if (e->d_name[0] != '.') read_network(names, e->d_name);
}

static const char *next_line(const char *line) { return line + strlen(line) + 1; }

static const char *network_of(const struct dns_lease *lease) { return next_line(lease->text); }

/* `web`, or `web.front` on the network front. A lease without a network is one of the default network. */
static int has_name(const struct dns_lease *lease, const char *wanted) {
  const char *network = network_of(lease);
  if (*network == 0) return 0;
  for (const char *name = next_line(network); *name != 0; name = next_line(name)) {
    size_t n = strlen(name);
    if (strncasecmp(name, wanted, n) != 0) continue;
    if (wanted[n] == 0 || (wanted[n] == '.' && strcasecmp(wanted + n + 1, network) == 0)) return 1;
  }
  return 0;
}

int dns_names_addresses(const struct dns_names *names, const char *name, uint16_t type, const uint8_t **found, int max) {
  int known = 0, n = 0;
  for (size_t i = 0; i < names->count; i++) {
    const struct dns_lease *lease = &names->leases[i];
    if (!has_name(lease, name)) continue;
    known = 1;
    if (lease->type == type && n < max) found[n++] = lease->address;
  }
  return known ? n : -1;
}

int dns_names_host(const struct dns_names *names, uint16_t type, const uint8_t *address, char *name, size_t size) {
  for (size_t i = 0; i < names->count; i++) {
    const struct dns_lease *lease = &names->leases[i];
    const char *network = network_of(lease), *own = next_line(network);
    if (lease->type != type || *network == 0 || *own == 0 || memcmp(lease->address, address, type == DNS_A ? 4 : 16) != 0) continue;
    return (size_t)snprintf(name, size, "%s.%s", own, network) < size ? 0 : -1;
  }
  return -1;
}
