/* The two ends of a notification socket, sd_notify(3).
 *   notify-peer listen PATH|@NAME COUNT   prints "listening", then each message in a line, its newlines as \n
 *   notify-peer send MESSAGE…             to NOTIFY_SOCKET; then sleeps when the last word is "stay" */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

static socklen_t address(struct sockaddr_un *at, const char *path) {
  at->sun_family = AF_UNIX;
  strncpy(at->sun_path, path, sizeof at->sun_path - 1);
  if (*path == '@') at->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static int listen_for(const char *path, int count) {
  struct sockaddr_un at = {0};
  socklen_t size = address(&at, path);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (bind(fd, (struct sockaddr *)&at, size) < 0) return fail("bind");
  puts("listening");
  fflush(stdout);
  for (; count > 0; count--) {
    char message[4096];
    ssize_t n = recv(fd, message, sizeof message, 0);
    if (n < 0) return fail("recv");
    for (ssize_t i = 0; i < n; i++) message[i] == '\n' ? fputs("\\n", stdout) : putchar(message[i]);
    puts("");
    fflush(stdout);
  }
  return 0;
}

static int send_all(char **messages) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un at = {0};
  if (path == NULL) return fputs("NOTIFY_SOCKET is not set\n", stderr), 1;
  socklen_t size = address(&at, path);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  for (; *messages != NULL; messages++) {
    if (strcmp(*messages, "stay") == 0) sleep(100);
    else if (sendto(fd, *messages, strlen(*messages), 0, (struct sockaddr *)&at, size) < 0) return fail("sendto");
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "listen") == 0) return listen_for(argv[2], atoi(argv[3]));
  if (argc > 2 && strcmp(argv[1], "send") == 0) return send_all(argv + 2);
  return 2;
}
