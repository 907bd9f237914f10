/* Copies what an image has at a place into the file system that is about to cover it: by descriptor, no link followed, no
 * other mount entered. The names and the depth are somebody else's. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "run.h"
#include "syscalls.h"

/* Each level keeps two descriptors open. */
#define MAX_DEPTH 128

static int copy_contents(int from, int to, int depth);

/* File capabilities, access lists and what users gave it; a tmpfs may know no user attributes (before Linux 6.6). */
static int copy_attributes(int from, int to) {
  char names[4096], value[4096];
  ssize_t length = flistxattr(from, names, sizeof names);
  if (length < 0) return errno == ENOTSUP ? 0 : -errno;
  for (const char *name = names; name < names + length; name += strlen(name) + 1) {
    if (strncmp(name, "trusted.overlay.", 16) == 0 || strcmp(name, "security.selinux") == 0) continue;
    ssize_t size = fgetxattr(from, name, value, sizeof value);
    if (size < 0) return -errno;
    if (fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != ENOTSUP) return -errno;
  }
  return 0;
}

/* The owner before the mode, for a change of owner takes set-id bits away; the times last. */
static int copy_inode(int from, int to, const struct stat *st) {
  if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0) return -errno;
  int copied = copy_attributes(from, to);
  if (copied < 0) return copied;
  const struct timespec times[2] = {st->st_atim, st->st_mtim};
  return futimens(to, times) < 0 ? -errno : 0;
}

static int copy_bytes(int from, int to) {
  for (;;) {
    ssize_t n = sendfile(to, from, NULL, 1 << 30);
    if (n <= 0) return n < 0 ? -errno : 0;
  }
}

static int copy_file(int from, int to, const char *name) {
  int in = sys_openat2(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
  if (in < 0) return errno == EXDEV ? 0 : -errno;
  struct stat st;
  int out = -1, result = fstat(in, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EAGAIN;
  if (result == 0 && (out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0) result = -errno;
  if (result == 0) result = copy_bytes(in, out);
  if (result == 0) result = copy_inode(in, out, &st);
  if (out >= 0) close(out);
  close(in);
  return result;
}

static int copy_directory(int from, int to, const char *name, int depth) {
  if (depth >= MAX_DEPTH) return -ENAMETOOLONG;
  if (mkdirat(to, name, 0700) < 0) return -errno;
  int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (out < 0) return -errno;
  int in = sys_openat2(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
  struct stat st;
  int result = in >= 0 ? copy_contents(in, out, depth + 1) : errno == EXDEV ? 0 : -errno; /* another mount stays a directory */
  if (in >= 0 && result == 0) result = fstat(in, &st) < 0 ? -errno : copy_inode(in, out, &st);
  if (in >= 0) close(in);
  close(out);
  return result;
}

static int copy_link(int from, int to, const char *name, const struct stat *st) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) return -errno;
  target[length] = 0;
  if (symlinkat(target, to, name) < 0) return -errno;
  return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* A node is made, never opened. */
static int copy_node(int to, const char *name, const struct stat *st) {
  if (mknodat(to, name, st->st_mode, st->st_rdev) < 0) return -errno;
  return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_entry(int from, int to, const char *name, int depth) {
  struct stat st;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  if (S_ISDIR(st.st_mode)) return copy_directory(from, to, name, depth);
  if (S_ISREG(st.st_mode)) return copy_file(from, to, name);
  if (S_ISLNK(st.st_mode)) return copy_link(from, to, name, &st);
  return copy_node(to, name, &st);
}

static int copy_contents(int from, int to, int depth) {
  DIR *dir = fdopendir(dup(from));
  if (dir == NULL) return -errno;
  int result = 0;
  for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    result = copy_entry(from, to, entry->d_name, depth);
  }
  if (result == 0) result = -errno;
  closedir(dir);
  return result;
}

int op_copy_tree(struct run *r, const struct plan_op *op) {
  int from = openat(r->fds[op->f[COPY_TREE_FROM]], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (from < 0) return -errno;
  int to = openat(r->fds[op->f[COPY_TREE_TO]], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = to < 0 ? -errno : copy_contents(from, to, 0);
  if (to >= 0) close(to);
  close(from);
  return result;
}
