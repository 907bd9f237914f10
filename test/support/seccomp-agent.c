/* A supervisor of system calls: seccomp-agent SOCKET. Takes one connection, prints the state that comes with the descriptor, and
 * answers each call: mkdir of a path that ends with "forbidden" fails with ENOMEDIUM, any other call goes on. Ends with the filter. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

/* Prints the message up to its end, and returns the descriptor that came with it. */
static int take_listener(int connection) {
  int listener = -1;
  for (;;) {
    char text[4096];
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec part = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) break;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) memcpy(&listener, CMSG_DATA(header), sizeof listener);
    fwrite(text, 1, (size_t)n, stdout);
    if (text[n - 1] == '}') break; /* the connection stays open until the program runs */
  }
  puts("");
  fflush(stdout);
  return listener;
}

static int is_forbidden(const struct seccomp_notif *call) {
  char path[64], name[256] = "";
  snprintf(path, sizeof path, "/proc/%d/mem", (int)call->pid);
  int memory = open(path, O_RDONLY);
  if (memory < 0) return 0;
  ssize_t n = pread(memory, name, sizeof name - 1, (off_t)call->data.args[0]);
  close(memory);
  size_t length = n > 0 ? strnlen(name, (size_t)n) : 0;
  return length >= 9 && strcmp(name + length - 9, "forbidden") == 0;
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, argv[1]);
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 1) < 0) return fail("listen");
  puts("listening");
  fflush(stdout);
  int listener = take_listener(accept(server, NULL, NULL));
  if (listener < 0) return fail("no descriptor");
  for (;;) {
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    if (poll(&ready, 1, -1) < 0 || !(ready.revents & POLLIN)) return 0;
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) continue;
    struct seccomp_notif_resp answer = {.id = call.id};
    if (is_forbidden(&call)) answer.error = -ENOMEDIUM;
    else answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}
