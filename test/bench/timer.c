// timer [-w FILE] [-r] ROUNDS [-f FILE] [-m SIZE] [-t SECONDS] PROGRAM ARGUMENT... -- [OPTION...] PROGRAM ... -- ...
// Runs the programs in turn, ROUNDS times, and prints per round one line: the nanoseconds from before the
// start to after the reaping of each. Interleaved, so that a change of the machine's load hits all alike; in C,
// because starting a process from a large one costs milliseconds of its own. The programs' output goes to
// /dev/null; one that does not end with status 0 ends the measurement.
//   -r        in place of nanoseconds alone NANOSECONDS/MICROSECONDS/KIB: the processor time of the program and of those it waited
//             for, and the most memory that one of them had at a time (ru_maxrss, getrusage(2); what it was before an execve counts)
//   -w FILE   before each start write 0 to FILE, the cgroup.procs that this process is in already. A move between
//             cgroups waits for an RCU grace period, ten milliseconds on an idle machine, unless another move was
//             just before: without this the second of two programs would profit from the first.
//   -f FILE   the program finds FILE open for reading as descriptor 3
//   -m SIZE   and a new memory file of SIZE zero bytes as descriptor 4
//   -t SECONDS  the program is killed after that time, with its process group, and not started again: its figure is `late`
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PROGRAMS = 32, FILE_FD = 3, MEMORY_FD = 4 };

struct program {
  const char *file;
  long memory, limit;
  int late;
  struct rusage usage;
  char **argv;
};

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void warm(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) < 0) err(2, "%s", path);
  close(fd);
}

static void place(int fd, int at) {
  if (fd < 0 || dup2(fd, at) < 0) err(2, "descriptor %d", at);
  if (fd != at) close(fd);
}

// Whether the program has to be ended.
static int is_late(pid_t pid, long seconds) {
  struct pollfd end = {(int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0};
  if (end.fd < 0) err(2, "pidfd_open");
  int n = poll(&end, 1, (int)seconds * 1000);
  close(end.fd);
  return n == 0;
}

static long microseconds(struct timeval t) {
  return (long)t.tv_sec * 1000000 + (long)t.tv_usec;
}

static uint64_t measure(struct program *p) {
  if (p->file != NULL) place(open(p->file, O_RDONLY), FILE_FD);
  if (p->memory > 0) {
    int fd = memfd_create("timer", 0);
    if (ftruncate(fd, p->memory) < 0) err(2, "ftruncate");
    place(fd, MEMORY_FD);
  }
  uint64_t start = now_ns();
  pid_t pid = vfork();
  if (pid < 0) err(2, "vfork");
  if (pid == 0) {
    if (p->limit > 0) setsid();
    execvp(p->argv[0], p->argv);
    _exit(127);
  }
  int status;
  p->late = p->limit > 0 && is_late(pid, p->limit);
  if (p->late) kill(-pid, SIGKILL);
  if (wait4(pid, &status, 0, &p->usage) < 0) err(2, "wait4");
  uint64_t end = now_ns();
  if (status != 0 && !p->late) errx(2, "%s: ended with wait status 0x%x", p->argv[0], status);
  return end - start;
}

static int parse(char **argv, struct program *programs) {
  int n = 0;
  while (*argv != NULL) {
    if (n == MAX_PROGRAMS) errx(2, "too many programs");
    struct program *p = &programs[n++];
    for (; *argv != NULL && argv[0][0] == '-' && argv[1] != NULL; argv += 2) {
      if (strcmp(*argv, "-f") == 0) p->file = argv[1];
      else if (strcmp(*argv, "-m") == 0) p->memory = atol(argv[1]);
      else if (strcmp(*argv, "-t") == 0) p->limit = atol(argv[1]);
      else errx(2, "unknown option %s", *argv);
    }
    p->argv = argv;
    while (*argv != NULL && strcmp(*argv, "--") != 0) argv++;
    if (p->argv == argv) errx(2, "a program is missing");
    if (*argv != NULL) *argv++ = NULL;
  }
  return n;
}

int main(int argc, char **argv) {
  struct program programs[MAX_PROGRAMS] = {0};
  const char *cgroup = NULL;
  if (argc > 3 && strcmp(argv[1], "-w") == 0) {
    cgroup = argv[2];
    argc -= 2;
    argv += 2;
  }
  int with_usage = argc > 2 && strcmp(argv[1], "-r") == 0;
  argc -= with_usage;
  argv += with_usage;
  if (argc < 3) errx(2, "usage: timer ROUNDS PROGRAM ARGUMENT... [-- PROGRAM ...]");
  int n = parse(argv + 2, programs);
  // Low descriptors are for the programs; output moves out of their way.
  int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  place(open("/dev/null", O_RDWR), STDOUT_FILENO);
  for (long round = atol(argv[1]); round > 0; round--) {
    for (int i = 0; i < n; i++) {
      if (cgroup != NULL) warm(cgroup);
      uint64_t ns = programs[i].late ? 0 : measure(&programs[i]);
      if (programs[i].late) dprintf(out, "%slate", i == 0 ? "" : " ");
      else dprintf(out, "%s%llu", i == 0 ? "" : " ", (unsigned long long)ns);
      const struct rusage *u = &programs[i].usage;
      if (with_usage && !programs[i].late)
        dprintf(out, "/%ld/%ld", microseconds(u->ru_utime) + microseconds(u->ru_stime), u->ru_maxrss);
    }
    dprintf(out, "\n");
  }
}
