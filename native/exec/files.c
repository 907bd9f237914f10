/* Ops on files. Every path is relative to a descriptor; inside a root file system openat2 resolves it with the
 * flags the plan gives, so that no link in an image can lead out of it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "common/remove-tree.h"
#include "common/start-time.h"
#include "run.h"
#include "syscalls.h"

static int result(int value) { return value < 0 ? -errno : value; }

int op_open(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[OPEN_PATH]);
  int fd = sys_openat2(run_fd(r, op->f[OPEN_AT]), path, op->f[OPEN_FLAGS] | O_CLOEXEC, op->f[OPEN_MODE],
                       op->f[OPEN_RESOLVE]);
  if (fd < 0) return -errno;
  return run_store(r, op->f[OPEN_INTO], fd);
}

/* What op_ensure looks for, and where it stands: `path` is relative to `root`, and has been made up to `end`. */
struct place {
  int root, want_dir;
  mode_t mode;
  uint64_t resolve;
  char path[4096];
  size_t start, end; /* the component that is being made */
};

static int open_in(const struct place *p, const char *path) {
  return sys_openat2(p->root, *path ? path : ".", O_PATH | O_CLOEXEC, 0, p->resolve);
}

/* A link that leads to nothing is replaced by its target in `path`, which is then looked for from the root again;
 * `rest` is what comes behind the link. What is no link was made by somebody else just now, and is looked for again too. */
static int follow_dangling(struct place *p, int parent, const char *rest) {
  char link[sizeof p->path], path[sizeof p->path];
  ssize_t n = readlinkat(parent, p->path + p->start, link, sizeof link - 1);
  if (n < 0) return errno == EINVAL ? -EAGAIN : -errno;
  link[n] = 0;
  int before = link[0] == '/' ? 0 : (int)p->start;
  if (snprintf(path, sizeof path, "%.*s%s/%s", before, p->path, link, rest) >= (int)sizeof path) return -ENAMETOOLONG;
  strcpy(p->path, path);
  return -EAGAIN;
}

/* Makes one missing component; `last` says whether it is the place itself. */
static int make(const struct place *p, int parent, int last) {
  const char *name = p->path + p->start;
  if (!last || p->want_dir) return mkdirat(parent, name, last ? p->mode : 0755);
  int made = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, p->mode);
  return made < 0 ? -1 : close(made);
}

/* Walks along the path, and makes what is missing. The kernel resolves each prefix from the root again, so a link or
 * `..` in it is followed inside the root only. Returns the descriptor of the place, or -errno: -EAGAIN to begin again. */
static int walk(struct place *p) {
  int parent = fcntl(p->root, F_DUPFD_CLOEXEC, 0);
  for (p->end = 0; parent >= 0;) {
    while (p->path[p->end] == '/') p->end++;
    p->start = p->end;
    while (p->path[p->end] && p->path[p->end] != '/') p->end++;
    size_t next = p->end;
    while (p->path[next] == '/') next++;
    int last = p->path[next] == 0;
    char after = p->path[p->end];
    p->path[p->end] = 0;
    int step = open_in(p, p->path), missing = step < 0 && errno == ENOENT;
    if (missing && make(p, parent, last) == 0) step = open_in(p, p->path);
    else if (missing && errno == EEXIST) {
      int error = follow_dangling(p, parent, after ? p->path + p->end + 1 : "");
      close(parent);
      return error;
    }
    int error = errno;
    close(parent);
    if (step < 0) return -error;
    p->path[p->end] = after;
    if (last) return step;
    parent = step;
  }
  return -errno;
}

/* The kernel follows as many in one path. */
#define MAX_LINKS 40

/* Opens the directory or file `path` in a root; what is missing of it is made, component by component. */
int op_ensure(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[ENSURE_PATH]);
  struct place p = {
      .root = r->fds[op->f[ENSURE_AT]],
      .want_dir = op->f[ENSURE_TYPE] == S_IFDIR,
      .mode = (mode_t)op->f[ENSURE_MODE],
      .resolve = op->f[ENSURE_RESOLVE],
  };
  if (strlen(path) >= sizeof p.path) return -ENAMETOOLONG;
  strcpy(p.path, path);
  int fd = open_in(&p, p.path);
  if (fd < 0) fd = errno == ENOENT ? -EAGAIN : -errno;
  for (int links = 0; fd == -EAGAIN; links++) fd = links > MAX_LINKS ? -ELOOP : walk(&p);
  struct stat st;
  int error = fd < 0 ? -fd : fstat(fd, &st) < 0 ? errno : 0;
  if (!error && S_ISDIR(st.st_mode) != p.want_dir) error = p.want_dir ? ENOTDIR : EISDIR;
  if (!error) return run_store(r, op->f[ENSURE_INTO], fd);
  run_detail(r, p.path);
  if (fd >= 0) close(fd);
  return -error;
}

/* A directory that was opened for its path only is opened again: fchmod(2) needs that. */
int op_chmod_like(struct run *r, const struct plan_op *op) {
  struct stat st;
  if (fstat(r->fds[op->f[CHMOD_LIKE_LIKE]], &st) < 0) return -errno;
  int fd = openat(r->fds[op->f[CHMOD_LIKE_FD]], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int changed = result(fchmod(fd, st.st_mode & 07777));
  close(fd);
  return changed;
}

int op_mkdir(struct run *r, const struct plan_op *op) {
  return result(mkdirat(run_fd(r, op->f[MKDIR_AT]), run_str(r, op->f[MKDIR_PATH]), (mode_t)op->f[MKDIR_MODE]));
}

/* Removes a directory below `at` that has none below itself, and whether there was one. */
static int remove_leaf(int at, const char *path) {
  int parent = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), removed = 0;
  for (DIR *dir; parent >= 0 && (dir = fdopendir(parent)) != NULL;) {
    int child = -1;
    for (struct dirent *entry; child < 0 && !removed && (entry = readdir(dir)) != NULL;) {
      if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      removed = unlinkat(parent, entry->d_name, AT_REMOVEDIR) == 0;
      if (!removed) child = openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    closedir(dir);
    parent = child;
  }
  return removed;
}

/* A cgroup stays busy for a moment after its last process was reaped: the kernel empties it asynchronously. It is busy too
 * while it holds others, which a privileged container can have made. */
int op_rmdir(struct run *r, const struct plan_op *op) {
  int at = run_fd(r, op->f[RMDIR_AT]);
  const char *path = run_str(r, op->f[RMDIR_PATH]);
  for (int attempt = 0;; attempt++) {
    if (unlinkat(at, path, AT_REMOVEDIR) == 0) return 0;
    if (errno != EBUSY || attempt == 200) return -errno;
    while (remove_leaf(at, path)) continue;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
}

int op_unlink(struct run *r, const struct plan_op *op) {
  return result(unlinkat(run_fd(r, op->f[UNLINK_AT]), run_str(r, op->f[UNLINK_PATH]), 0));
}

/* A name that has meanwhile been given to another file stays: it is somebody else's. */
int op_unlink_same(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[UNLINK_SAME_PATH]);
  struct stat file, same;
  if (lstat(path, &file) < 0 || lstat(run_str(r, op->f[UNLINK_SAME_AS]), &same) < 0) return -errno;
  if (file.st_dev != same.st_dev || file.st_ino != same.st_ino) return 0;
  return result(unlink(path));
}

/* Removes a tree whose content the container chose: by descriptor only, following no link. */
int op_remove_tree(struct run *r, const struct plan_op *op) {
  return remove_tree_at(run_fd(r, op->f[REMOVE_TREE_AT]), run_str(r, op->f[REMOVE_TREE_PATH]));
}

int op_symlink(struct run *r, const struct plan_op *op) {
  return result(symlinkat(run_str(r, op->f[SYMLINK_TARGET]), run_fd(r, op->f[SYMLINK_AT]), run_str(r, op->f[SYMLINK_PATH])));
}

/* The same node may be there already, in a /dev of the image: then it is kept. Returns 1. */
int op_mknod(struct run *r, const struct plan_op *op) {
  int at = run_fd(r, op->f[MKNOD_AT]);
  const char *path = run_str(r, op->f[MKNOD_PATH]);
  mode_t mode = (mode_t)op->f[MKNOD_MODE];
  struct stat st;
  if (mknodat(at, path, mode, (dev_t)op->f[MKNOD_DEV]) == 0) return 0;
  if (errno != EEXIST) return -errno;
  if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  int same = (st.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISFIFO(mode) || st.st_rdev == (dev_t)op->f[MKNOD_DEV]);
  return same ? 1 : -EEXIST;
}

int op_chown(struct run *r, const struct plan_op *op) {
  return result(fchownat(run_fd(r, op->f[CHOWN_AT]), run_str(r, op->f[CHOWN_PATH]), (uid_t)op->f[CHOWN_UID],
                         (gid_t)op->f[CHOWN_GID], AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int op_chmod(struct run *r, const struct plan_op *op) {
  return result(fchmodat(run_fd(r, op->f[CHMOD_AT]), run_str(r, op->f[CHMOD_PATH]), (mode_t)op->f[CHMOD_MODE], 0));
}

/* One write(2), as the files of /proc, /sys and cgroupfs want it. Below a descriptor nothing leads out of its file
 * system: no link, and no mount that was put over a part of it (CVE-2025-52881). */
int op_write(struct run *r, const struct plan_op *op) {
  const char *path = run_str(r, op->f[WRITE_PATH]);
  uint64_t data = op->f[WRITE_DATA];
  uint64_t resolve = op->f[WRITE_AT] == TSR_NO_FD ? 0 : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  int fd = sys_openat2(run_fd(r, op->f[WRITE_AT]), path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0, resolve);
  if (fd < 0) return -errno;
  ssize_t n = write(fd, plan_bytes(r->plan, data), plan_len(data));
  int error = n < 0 ? errno : (uint32_t)n < plan_len(data) ? EIO : 0;
  close(fd);
  return -error;
}

int op_check_device(struct run *r, const struct plan_op *op) {
  struct stat st;
  if (fstat(r->fds[op->f[CHECK_DEVICE_FD]], &st) < 0) return -errno;
  return S_ISCHR(st.st_mode) && st.st_rdev == (dev_t)op->f[CHECK_DEVICE_DEV] ? 0 : -ENODEV;
}

int op_check_fs(struct run *r, const struct plan_op *op) {
  struct statfs st;
  if (fstatfs(r->fds[op->f[CHECK_FS_FD]], &st) < 0) return -errno;
  return (uint64_t)st.f_type == op->f[CHECK_FS_MAGIC] ? 0 : -EXDEV;
}

int op_fchdir(struct run *r, const struct plan_op *op) { return result(fchdir(r->fds[op->f[FCHDIR_FD]])); }

/* A directory that is not below the root shows as unreachable. getcwd(2) */
static int check_cwd(void) {
  char cwd[4096];
  if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0) return -errno;
  return cwd[0] == '/' ? 0 : -ENOENT;
}

/* A descriptor of the host that is still open could be entered by /proc/self/fd/N (CVE-2024-21626): the plan
 * closes them all before. */
int op_chdir(struct run *r, const struct plan_op *op) {
  if (r->entered) return 0;
  return chdir(run_str(r, op->f[CHDIR_PATH])) < 0 ? -errno : check_cwd();
}

/* Returns 1 when it is left to the user of the program: root of a user namespace, or on a network file system, may be shut out
 * of a directory of that user's. */
int op_enter(struct run *r, const struct plan_op *op) {
  int fd = sys_openat2(r->fds[op->f[ENTER_AT]], run_str(r, op->f[ENTER_PATH]), O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
                       RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  int error = fd < 0 || fchdir(fd) < 0 ? -errno : check_cwd();
  if (fd >= 0) close(fd);
  r->entered = error == 0;
  return error == -EACCES ? 1 : error;
}

int op_dup(struct run *r, const struct plan_op *op) {
  int fd = r->fds[op->f[DUP_FD]], to = (int)op->f[DUP_TO];
  if (to > 2) return -EINVAL;
  return result(dup2(fd, to));
}

/* The connections that tell others of the exec stay: they are sockets, which lead nowhere, and the exec closes them. */
int op_close_from(struct run *r, const struct plan_op *op) {
  unsigned first = (unsigned)op->f[CLOSE_FROM_FIRST];
  int low = r->sync, high = r->starter;
  if (first < 3 || r->sync < (int)first || (r->starter >= 0 && r->starter < (int)first)) return -EINVAL;
  if (high < 0) high = low;
  if (high < low) high = r->sync, low = r->starter;
  const unsigned gaps[][2] = {{first, (unsigned)low - 1}, {(unsigned)low + 1, (unsigned)high - 1}, {(unsigned)high + 1, ~0u}};
  for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
    if (gaps[i][0] <= gaps[i][1] && syscall(SYS_close_range, gaps[i][0], gaps[i][1], 0) < 0) return -errno;
  for (int i = 0; i < TSR_MAX_FDS; i++) r->fds[i] = FD_CLOSED;
  return 0;
}

/* The program's own user must be able to open /dev/stdout again: a pipe belongs to whoever made it. */
int op_chown_stdio(struct run *r, const struct plan_op *op) {
  (void)r;
  for (int fd = 0; fd < 3; fd++) {
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) continue;
    if (fchown(fd, (uid_t)op->f[CHOWN_STDIO_UID], (gid_t)-1) < 0 && errno != EPERM && errno != EROFS && errno != EINVAL) return -errno;
  }
  return 0;
}

/* Writes a file under a temporary name and renames it: a reader sees all of it or nothing. */
static int save(int at, const char *path, const char *text) {
  char temp[4096];
  if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp) return -ENAMETOOLONG;
  int fd = openat(at, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  size_t length = strlen(text);
  int error = write(fd, text, length) == (ssize_t)length ? 0 : errno ? errno : EIO;
  close(fd);
  if (error == 0 && renameat(at, temp, at, path) < 0) error = errno;
  if (error) unlinkat(at, temp, 0);
  return -error;
}

/* pid and start time: together they name one process for ever. */
int op_record_pid(struct run *r, const struct plan_op *op) {
  uint64_t started = process_start_time(r->child);
  if (started == 0) return -ESRCH;
  char text[64];
  snprintf(text, sizeof text, "%d %llu\n", (int)r->child, (unsigned long long)started);
  return save(run_fd(r, op->f[RECORD_PID_AT]), run_str(r, op->f[RECORD_PID_PATH]), text);
}

int op_write_pid_file(struct run *r, const struct plan_op *op) {
  char text[16];
  snprintf(text, sizeof text, "%d", (int)r->child);
  return save(AT_FDCWD, run_str(r, op->f[WRITE_PID_FILE_PATH]), text);
}

/* memory.events (v2) and memory.oom_control (v1) have a line `oom_kill N`: how many processes of the cgroup the kernel
 * has ended because memory ran out. */
int op_count_oom_kills(struct run *r, const struct plan_op *op) {
  char text[512];
  int fd = sys_openat2(run_fd(r, op->f[COUNT_OOM_KILLS_AT]), run_str(r, op->f[COUNT_OOM_KILLS_PATH]), O_RDONLY | O_CLOEXEC, 0,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  if (fd < 0) return -errno;
  ssize_t n = read(fd, text, sizeof text - 1);
  int error = n < 0 ? errno : 0;
  close(fd);
  if (error) return -error;
  text[n] = 0;
  const char *line = strstr(text, "oom_kill ");
  if (line == NULL) return -ENODATA;
  r->oom_kills += strtoul(line + strlen("oom_kill "), NULL, 10);
  return 0;
}

int op_record_exit(struct run *r, const struct plan_op *op) {
  if (r->report->state != STATE_ENDED) return 0;
  char text[128];
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  snprintf(text, sizeof text, "{\"waitStatus\":%d,\"finishedAtMs\":%lld,\"oomKilled\":%s}\n", r->report->wait_status,
           (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000, r->oom_kills ? "true" : "false");
  return save(run_fd(r, op->f[RECORD_EXIT_AT]), run_str(r, op->f[RECORD_EXIT_PATH]), text);
}
