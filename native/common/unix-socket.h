/* Unix sockets by path; unix(7). */
#ifndef UNIX_SOCKET_H
#define UNIX_SOCKET_H
#include <stddef.h>
#include <stdint.h>

/* A socket that listens for one connection, or of SOCK_DGRAM takes messages, at `name` in the open directory, or -errno. */
int unix_listen(int directory, const char *name, int type);
/* A socket that is connected to `path`, of any length, or -errno. */
int unix_connect(const char *path, int type);
/* Sends text with up to UNIX_MAX_FDS descriptors. Returns 0 or -errno. */
int unix_send_fds(int to, const char *text, const int *fds, size_t n_fds);
/* Receives exactly `n_fds` descriptors. -EPIPE when the other side sent none. */
int unix_receive_fds(int from, int *fds, size_t n_fds);

#define UNIX_MAX_FDS 2

#endif
