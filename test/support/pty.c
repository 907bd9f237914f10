// pty ROWS COLUMNS PROGRAM [ARGUMENT...]: runs a program in a new session on a terminal of its own, passes
// stdin and stdout through, and ends with its status (128+n for a signal). A line "ROWS COLUMNS" on
// descriptor 3 resizes the terminal. End of stdin leaves the terminal open, as a person who stops typing does.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int copy(int from, int to)
{
	char bytes[65536];
	ssize_t length = read(from, bytes, sizeof bytes);

	if (length <= 0)
		return 0;
	for (ssize_t done = 0, n; done < length; done += n) {
		n = write(to, bytes + done, length - done);
		if (n < 0)
			return 0;
	}
	return 1;
}

static int resize(int control, int terminal)
{
	char line[64] = "";
	struct winsize size = {0};

	if (read(control, line, sizeof line - 1) <= 0)
		return 0;
	if (sscanf(line, "%hu %hu", &size.ws_row, &size.ws_col) == 2)
		ioctl(terminal, TIOCSWINSZ, &size);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: pty ROWS COLUMNS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	struct winsize size = {.ws_row = atoi(argv[1]), .ws_col = atoi(argv[2])};
	int terminal;
	pid_t child = forkpty(&terminal, NULL, NULL, &size);

	if (child < 0) {
		perror("pty: forkpty");
		return 2;
	}
	if (child == 0) {
		close(3);
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}

	struct pollfd from[] = {{terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {3, POLLIN, 0}};
	// The terminal answers EIO when its last user is gone: that is the end.
	while (poll(from, 3, -1) >= 0 || errno == EINTR) {
		if (from[2].revents && (from[2].revents & POLLNVAL || !resize(3, terminal)))
			from[2].fd = -1;
		if (from[1].revents && !copy(STDIN_FILENO, terminal))
			from[1].fd = -1;
		if (from[0].revents && !copy(terminal, STDOUT_FILENO))
			break;
	}

	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 2;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
