/* Ops that make and shape the process: clone, namespaces, names, limits, and the last one, execve. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/start-time.h"
#include "run.h"
#include "syscalls.h"

static int result(int value) { return value < 0 ? -errno : value; }

/* The number of a process as /proc has it: 0 when it is gone, -1 with errno when that cannot be read. pidfd_open(2), Pid. */
static pid_t pid_of(int pidfd) {
  char path[40], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0) return -1;
  text[n] = '\0';
  const char *line = strstr(text, "\nPid:");
  return line == NULL ? 0 : (pid_t)strtol(line + 5, NULL, 10);
}

/* A new namespace belongs to the user namespace its creator is in. To own them by a user namespace that exists
 * already, a short-lived process joins that one and makes the child from there; CLONE_PARENT leaves the child to
 * this process, so that it can still be waited for. When a PID namespace has been joined, the short-lived one is in it,
 * and the number it gets is of there: so it shares our descriptors (CLONE_FILES), and the pidfd tells ours. */
static pid_t clone_from_userns(int userns, struct clone3_args *args, int *pidfd) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) return -1;
  pid_t joiner = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (joiner == 0) {
    pid_t pid = -1;
    args->flags |= CLONE_PARENT;
    args->exit_signal = 0;
    int made = -1;
    args->pidfd = (uint64_t)(uintptr_t)&made;
    if (setns(userns, CLONE_NEWUSER) == 0) pid = (pid_t)syscall(SYS_clone3, args, sizeof *args);
    if (pid == 0) {
      close(pipe_fds[0]);
      close(pipe_fds[1]);
      return 0;
    }
    int32_t answer[2] = {pid < 0 ? -1 : made, errno};
    ssize_t written = write(pipe_fds[1], answer, sizeof answer);
    _exit(written == (ssize_t)sizeof answer ? 0 : 1);
  }
  int32_t answer[2] = {-1, joiner < 0 ? errno : ECHILD};
  if (joiner > 0) {
    while (waitpid(joiner, NULL, 0) < 0 && errno == EINTR) continue;
    if (read(pipe_fds[0], answer, sizeof answer) != (ssize_t)sizeof answer) answer[0] = -1;
  }
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  if (answer[0] < 0) {
    errno = answer[1];
    return -1;
  }
  *pidfd = answer[0];
  pid_t pid = pid_of(*pidfd);
  if (pid == 0) errno = ESRCH;
  return pid > 0 ? pid : -1;
}

int op_clone3(struct run *r, const struct plan_op *op) {
  int pidfd = -1;
  uint64_t cgroup = op->f[CLONE3_CGROUP], userns = op->f[CLONE3_USERNS];
  struct clone3_args args = {.flags = op->f[CLONE3_FLAGS] | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  if (cgroup != TSR_NO_FD) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)r->fds[cgroup];
  }
  pid_t pid = userns == TSR_NO_FD ? (pid_t)syscall(SYS_clone3, &args, sizeof args) : clone_from_userns(r->fds[userns], &args, &pidfd);
  if (pid < 0) return -errno;
  if (pid == 0) {
    r->is_child = 1;
    close(r->sync);
    r->sync = r->child_sync;
    monitor_unblock_signals();
    return 0;
  }
  close(r->child_sync);
  r->child_sync = -1;
  r->child = pid;
  r->report->pid = pid;
  r->pidfd = pidfd;
  /* The table closes what it holds; the monitor needs the pidfd to the end. */
  int shared = fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
  if (shared < 0) return -errno;
  run_store(r, op->f[CLONE3_PIDFD], shared);
  return pid;
}

int op_open_child_proc(struct run *r, const struct plan_op *op) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", (int)r->child);
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : run_store(r, op->f[OPEN_CHILD_PROC_INTO], fd);
}

/* The descriptor stays with the process: opened below it when the process is gone, every file is ESRCH, also when the number
 * has been given to another one meanwhile. So the start time is read after opening. */
int op_open_process(struct run *r, const struct plan_op *op) {
  pid_t pid = (pid_t)op->f[OPEN_PROCESS_PID];
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", (int)pid);
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? -ESRCH : -errno;
  if (process_start_time(pid) != op->f[OPEN_PROCESS_STARTED]) {
    close(fd);
    return -ESRCH;
  }
  return run_store(r, op->f[OPEN_PROCESS_INTO], fd);
}

int op_open_pidfd(struct run *r, const struct plan_op *op) {
  pid_t pid = (pid_t)op->f[OPEN_PIDFD_PID];
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return -errno;
  /* After the open: should the process end from here on, the descriptor says so. */
  if (process_start_time(pid) != op->f[OPEN_PIDFD_STARTED]) {
    close(fd);
    return -ESRCH;
  }
  return run_store(r, op->f[OPEN_PIDFD_INTO], fd);
}

/* Messages between the two processes, one direction each:
 *   host  → child   "go"            op release_child, awaited by await_host
 *   child → host    a descriptor    op send_fd, awaited by receive_fd
 *   child → host    end of file     execve succeeded (close-on-exec), or the child is gone */
int op_release_child(struct run *r, const struct plan_op *op) {
  (void)op;
  return send(r->sync, "go", 2, MSG_NOSIGNAL) == 2 ? 0 : -errno;
}

int op_await_host(struct run *r, const struct plan_op *op) {
  (void)op;
  char message[2];
  ssize_t n;
  do n = recv(r->sync, message, sizeof message, 0);
  while (n < 0 && errno == EINTR);
  return n == 2 ? 0 : n < 0 ? -errno : -EPIPE;
}

int op_send_fd(struct run *r, const struct plan_op *op) {
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec text = {.iov_base = "fd", .iov_len = 2};
  struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &r->fds[op->f[SEND_FD_FD]], sizeof(int));
  return sendmsg(r->sync, &message, MSG_NOSIGNAL) == 2 ? 0 : -errno;
}

int op_receive_fd(struct run *r, const struct plan_op *op) {
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {0};
  char text[2];
  struct iovec buffer = {.iov_base = text, .iov_len = sizeof text};
  struct msghdr message = {.msg_iov = &buffer, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(r->sync, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (n != 2 || header == NULL || header->cmsg_type != SCM_RIGHTS) return -EPIPE;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return run_store(r, op->f[RECEIVE_FD_INTO], fd);
}

int op_setns(struct run *r, const struct plan_op *op) { return result(setns(r->fds[op->f[SETNS_FD]], (int)op->f[SETNS_TYPE])); }

int op_unshare(struct run *r, const struct plan_op *op) {
  (void)r;
  return result(unshare((int)op->f[UNSHARE_FLAGS]));
}

int op_check_other_namespace(struct run *r, const struct plan_op *op) {
  struct stat other, own;
  if (fstat(r->fds[op->f[CHECK_OTHER_NAMESPACE_NAMESPACE]], &other) < 0) return -errno;
  if (stat(run_str(r, op->f[CHECK_OTHER_NAMESPACE_OWN]), &own) < 0) return -errno;
  return other.st_dev == own.st_dev && other.st_ino == own.st_ino ? -EEXIST : 0;
}

int op_setsid(struct run *r, const struct plan_op *op) {
  (void)r, (void)op;
  return result(setsid());
}

int op_sethostname(struct run *r, const struct plan_op *op) {
  uint64_t name = op->f[SETHOSTNAME_NAME];
  return result(sethostname(run_str(r, name), plan_len(name)));
}

int op_setdomainname(struct run *r, const struct plan_op *op) {
  uint64_t name = op->f[SETDOMAINNAME_NAME];
  return result(setdomainname(run_str(r, name), plan_len(name)));
}

/* Returns 1 when the host does not allow the hard limit and the nearest allowed one was set instead. */
int op_setrlimit(struct run *r, const struct plan_op *op) {
  (void)r;
  int resource = (int)op->f[SETRLIMIT_RESOURCE];
  struct rlimit want = {.rlim_cur = op->f[SETRLIMIT_SOFT], .rlim_max = op->f[SETRLIMIT_HARD]}, have;
  if (prlimit(0, resource, &want, NULL) == 0) return 0;
  if (errno != EPERM || prlimit(0, resource, NULL, &have) < 0) return -errno;
  if (want.rlim_max > have.rlim_max) want.rlim_max = have.rlim_max;
  if (want.rlim_cur > want.rlim_max) want.rlim_cur = want.rlim_max;
  return prlimit(0, resource, &want, NULL) < 0 ? -errno : 1;
}

/* The host process holds the other end of the socket until it ends, and a container of its own pid namespace cannot
 * ask getppid: it is 0 there. */
static int host_is_gone(const struct run *r) {
  char byte;
  return recv(r->sync, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int op_prctl(struct run *r, const struct plan_op *op) {
  int option = (int)op->f[PRCTL_OPTION];
  if (prctl(option, (unsigned long)op->f[PRCTL_ARG2], (unsigned long)op->f[PRCTL_ARG3], (unsigned long)op->f[PRCTL_ARG4],
            (unsigned long)op->f[PRCTL_ARG5]) < 0)
    return -errno;
  /* A parent that died just before will send no signal any more. */
  return option == PR_SET_PDEATHSIG && r->is_child && host_is_gone(r) ? -ESRCH : 0;
}

int op_personality(struct run *r, const struct plan_op *op) {
  (void)r;
  return result(personality((unsigned long)op->f[PERSONALITY_PERSONA]));
}

int op_join_session_keyring(struct run *r, const struct plan_op *op) {
  const int join = 1; /* KEYCTL_JOIN_SESSION_KEYRING */
  return syscall(SYS_keyctl, join, run_str(r, op->f[JOIN_SESSION_KEYRING_NAME])) < 0 ? -errno : 0;
}

int op_umask(struct run *r, const struct plan_op *op) {
  (void)r;
  return (int)umask((mode_t)op->f[UMASK_MASK]);
}

static const char *path_variable(char **env) {
  for (; *env != NULL; env++)
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* A name without a slash is looked for along the container's PATH, as a shell does. `try` gets each file that it may be, and
 * returns only when that one is not it; a match that may not be run is remembered as the reason. */
static int along_path(struct run *r, const char *name, char **env, int (*try)(const char *file, void *context), void *context) {
  run_detail(r, name);
  if (name[0] == 0) return -ENOENT;
  if (strchr(name, '/') != NULL) return try(name, context);
  int error = ENOENT;
  char file[4096];
  for (const char *dir = path_variable(env);;) {
    size_t length = strcspn(dir, ":");
    if (length + strlen(name) + 2 <= sizeof file) {
      snprintf(file, sizeof file, "%.*s/%s", length ? (int)length : 1, length ? dir : ".", name);
      int result = try(file, context);
      if (result >= 0) return result;
      if (result == -EACCES) error = EACCES;
      else if (result != -ENOENT && result != -ENOTDIR) return run_detail(r, file), result;
    }
    if (dir[length] == 0) return -error;
    dir += length + 1;
  }
}

struct program {
  char **args, **env;
};

static int try_exec(const char *file, void *context) {
  const struct program *program = context;
  return execve(file, program->args, program->env), -errno;
}

int op_execve(struct run *r, const struct plan_op *op) {
  struct program program = {run_strings(r, op->f[EXECVE_ARGS]), run_strings(r, op->f[EXECVE_ENV])};
  if (program.args == NULL || program.env == NULL) return -ENOMEM;
  if (program.args[0] == NULL) return -EINVAL;
  if (r->home != NULL) {
    uint32_t n = plan_len(op->f[EXECVE_ENV]);
    program.env = reallocarray(program.env, (size_t)n + 2, sizeof *program.env);
    if (program.env == NULL) return -ENOMEM;
    program.env[n] = r->home;
    program.env[n + 1] = NULL;
  }
  return along_path(r, program.args[0], program.env, try_exec, &program);
}

/* Whether it is a file that somebody may run: who exactly is decided at the exec. */
static int try_file(const char *file, void *context) {
  struct stat st;
  if (fstatat(*(const int *)context, file, &st, 0) < 0) return -errno;
  return S_ISREG(st.st_mode) && st.st_mode & 0111 ? 0 : -EACCES;
}

int op_find_program(struct run *r, const struct plan_op *op) {
  char **env = run_strings(r, op->f[FIND_PROGRAM_ENV]);
  if (env == NULL) return -ENOMEM;
  int error = along_path(r, run_str(r, op->f[FIND_PROGRAM_PROGRAM]), env, try_file, &r->fds[op->f[FIND_PROGRAM_CWD]]);
  free(env);
  return error;
}

/* The child's end of file means that execve closed its end, or that the child is gone: the report tells which. */
void await_exec(struct run *r) {
  char byte;
  ssize_t n;
  do n = recv(r->sync, &byte, 1, 0);
  while (n > 0 || (n < 0 && errno == EINTR));
  const struct plan_op *last = &r->plan->ops[r->report->child_at];
  if (r->report->state == STATE_PREPARING && last->code != OP_EXECVE) {
    r->report->failed_op = r->report->child_at;
    r->report->error = ECHILD; /* it was killed in the middle of an op */
    r->report->state = STATE_FAILED;
  }
}

/* The failure itself stands in the report already. */
int op_await_exec(struct run *r, const struct plan_op *op) {
  (void)op;
  await_exec(r);
  return r->report->state == STATE_FAILED ? -ECHILD : 0;
}
