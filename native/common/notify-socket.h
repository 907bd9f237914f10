/* The notification socket of a container: a program inside says that it is ready, and whoever started the runtime hears of it.
 * sd_notify(3). */
#ifndef NOTIFY_SOCKET_H
#define NOTIFY_SOCKET_H
#include <sys/types.h>

/* A socket at `name` in the open directory that any user may write to, or -errno. */
int notify_listen(int directory, const char *name);
/* One that is connected to NOTIFY_SOCKET of the host, a path or `@` and an abstract name, or -errno. */
int notify_connect(const char *host);
/* Takes one message of the container. When it says READY=, passes that on, and that `main` is the main process: returns 1 then,
 * 0 after another message, or -errno when the host does not take it. */
int notify_pass(int from, int to, pid_t main);
/* The same until one says READY=, or the process of `pidfd` has ended. Returns 0 or -errno. */
int notify_until_ready(int from, int to, pid_t main, int pidfd);

#endif
