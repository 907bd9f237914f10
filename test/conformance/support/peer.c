/*
 * The peer of a runtime that sends file descriptors: listens at a UNIX socket (argv[1]) and, for each connection, prints
 *     fds <in the first message> later <in further messages> terminal <0|1> bytes <of payload> <payload>
 * after the runtime has closed it. What a terminal prints goes to the file argv[2] until the terminal is closed.
 * Other descriptors are closed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int descriptors_of(struct msghdr *message, int *first)
{
    int count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        int number = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        if (count == 0 && number > 0)
            memcpy(first, CMSG_DATA(header), sizeof(int));
        count += number;
    }
    return count;
}

static void copy_terminal(int terminal, const char *path)
{
    char bytes[4096];
    ssize_t length;
    int output = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (output < 0)
        fail(path);
    while ((length = read(terminal, bytes, sizeof bytes)) > 0)
        if (write(output, bytes, (size_t)length) != length)
            fail("write");
    close(output);
}

static void serve(int connection, const char *output)
{
    static char payload[1 << 20];
    size_t length = 0;
    int fds = 0, later = 0, first = -1, messages = 0;
    for (;;) {
        char control[256];
        struct iovec part = {payload + length, sizeof payload - length};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
        if (got < 0)
            fail("recvmsg");
        if (got == 0)
            break;
        length += (size_t)got;
        *(messages++ == 0 ? &fds : &later) += descriptors_of(&message, &first);
    }
    close(connection);
    int terminal = first >= 0 && isatty(first);
    printf("fds %d later %d terminal %d bytes %zu %.*s\n", fds, later, terminal, length, (int)length, payload);
    fflush(stdout);
    if (terminal)
        copy_terminal(first, output);
    else if (first >= 0)
        close(first);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path)
        return 2;
    strcpy(address.sun_path, argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8))
        fail(argv[1]);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            fail("accept");
        serve(connection, argv[2]);
    }
}
