/* Running records: each becomes a few system calls below the root. No policy is here: what to create, with which
 * owner and in which order, TypeScript has decided. Paths hold no symbolic link (RESOLVE_NO_SYMLINKS), because
 * TypeScript resolves links before; a disagreement between its view and the disk is an error, not a detour. */
#define _GNU_SOURCE
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unpack-format.gen.h"

static int failed(struct unpack_tree *tree, const char *step) {
  tree->step = step;
  return errno;
}

static int open_beneath(int dir, const char *path, uint64_t flags) {
  struct open_how how = {.flags = flags | O_NOFOLLOW | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* --- directories, kept open: most entries of a layer follow their neighbour --- */

static void forget_dir(struct unpack_cached_dir *dir) {
  if (!dir->path) return;
  close(dir->fd);
  free(dir->path);
  dir->path = NULL;
}

static void forget_all_dirs(struct unpack_tree *tree) {
  for (unsigned i = 0; i < UNPACK_CACHED_DIRS; i++) forget_dir(&tree->dirs[i]);
}

/* Takes over `fd`, and closes it when there is no memory for the path. */
static void remember_dir(struct unpack_tree *tree, const char *path, size_t len, int fd) {
  char *copy = malloc(len + 1);
  if (!copy) {
    close(fd);
    return;
  }
  memcpy(copy, path, len + 1);
  struct unpack_cached_dir *place = &tree->dirs[tree->next_dir++ % UNPACK_CACHED_DIRS];
  forget_dir(place);
  *place = (struct unpack_cached_dir){.path = copy, .len = len, .fd = fd};
}

static int cached_dir(struct unpack_tree *tree, const char *path, size_t len) {
  for (unsigned i = 0; i < UNPACK_CACHED_DIRS; i++) {
    struct unpack_cached_dir *dir = &tree->dirs[(tree->next_dir + UNPACK_CACHED_DIRS - 1 - i) % UNPACK_CACHED_DIRS];
    if (dir->path && dir->len == len && memcmp(dir->path, path, len) == 0) return dir->fd;
  }
  return -1;
}

/* A descriptor of the directory `path`, which the cache owns; -1 with errno. */
static int dir_at(struct unpack_tree *tree, const char *path, size_t len) {
  if (len == 0) return tree->root;
  int fd = cached_dir(tree, path, len);
  if (fd >= 0) return fd;
  fd = open_beneath(tree->root, path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -1;
  remember_dir(tree, path, len, fd);
  return cached_dir(tree, path, len);
}

/* Puts a directory that was just made into the cache: its entries come next. */
static void remember_child(struct unpack_tree *tree, const struct unpack_record *r, int fd) {
  char path[PATH_MAX];
  size_t name_len = strlen(r->name), slash = r->parent_len > 0 ? 1 : 0, len = r->parent_len + slash + name_len;
  if (len >= sizeof path) {
    close(fd);
    return;
  }
  memcpy(path, r->parent, r->parent_len);
  if (slash) path[r->parent_len] = '/';
  memcpy(path + r->parent_len + slash, r->name, name_len + 1);
  remember_dir(tree, path, len, fd);
}

/* --- attributes --- */

static int set_xattrs(struct unpack_tree *tree, int fd, const struct unpack_record *r) {
  const uint8_t *at = r->xattrs, *value;
  const char *name;
  uint32_t len;
  while (unpack_next_xattr(&at, r->xattrs + r->xattrs_len, &name, &value, &len))
    if (fsetxattr(fd, name, value, len, 0) < 0) return failed(tree, "setxattr");
  return 0;
}

/* Owner, then extended attributes, then mode: chown(2) clears set-id bits and security.capability, and a POSIX
 * ACL changes the mode's group bits. What the kernel already made right is left alone: looking costs a tenth of
 * a journalled change. */
static int set_attributes(struct unpack_tree *tree, int fd, const struct unpack_record *r) {
  struct stat st;
  if (fstat(fd, &st) < 0) return failed(tree, "fstat");
  int touched = r->xattrs_len > 0;
  if (st.st_uid != r->uid || st.st_gid != r->gid) {
    if (fchown(fd, r->uid, r->gid) < 0) return failed(tree, "fchown");
    touched = 1;
  }
  int error = set_xattrs(tree, fd, r);
  if (error) return error;
  if ((touched || (st.st_mode & 07777) != r->mode) && fchmod(fd, r->mode) < 0) return failed(tree, "fchmod");
  return 0;
}

static void times_of(const struct unpack_record *r, struct timespec times[2]) {
  times[0] = times[1] = (struct timespec){.tv_sec = r->mtime_s, .tv_nsec = r->mtime_ns};
}

static int set_file_attributes(struct unpack_tree *tree, int fd, const struct unpack_record *r) {
  int error = set_attributes(tree, fd, r);
  if (error) return error;
  struct timespec times[2];
  times_of(r, times);
  return futimens(fd, times) < 0 ? failed(tree, "futimens") : 0;
}

/* Links and nodes have no descriptor to work on; `name` was made exclusively in a directory nobody else writes. */
static int set_attributes_at(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  struct stat st;
  if (fstatat(dir, r->name, &st, AT_SYMLINK_NOFOLLOW) < 0) return failed(tree, "fstatat");
  if ((st.st_uid != r->uid || st.st_gid != r->gid) && fchownat(dir, r->name, r->uid, r->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return failed(tree, "fchownat");
  if (!S_ISLNK(st.st_mode) && fchmodat(dir, r->name, r->mode & 07777, 0) < 0) return failed(tree, "fchmodat");
  struct timespec times[2];
  times_of(r, times);
  return utimensat(dir, r->name, times, AT_SYMLINK_NOFOLLOW) < 0 ? failed(tree, "utimensat") : 0;
}

/* --- regular files --- */

static int write_all(struct unpack_tree *tree, int fd, const uint8_t *data, size_t left) {
  while (left > 0) {
    ssize_t n = write(fd, data, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(tree, "write");
    data += n;
    left -= (size_t)n;
  }
  return 0;
}

static void close_file(struct unpack_tree *tree) {
  if (tree->file >= 0) close(tree->file);
  free(tree->file_record);
  tree->file = -1;
  tree->file_record = NULL;
}

static int create_file(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int fd = openat(dir, r->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, r->mode & 0777);
  if (fd < 0) failed(tree, "openat");
  return fd;
}

static int run_file(struct unpack_tree *tree, int dir, const uint8_t *bytes, const struct unpack_record *r) {
  int fd = create_file(tree, dir, r);
  if (fd < 0) return errno;
  int error = write_all(tree, fd, r->data, r->data_len);
  if (!error && (r->flags & UNPACK_FLAG_MORE)) {
    size_t head = (size_t)(r->data - bytes);
    tree->file_record = malloc(head + 8);
    if (tree->file_record) {
      memcpy(tree->file_record, bytes, head);
      memset(tree->file_record + head, 0, 8);
      uint32_t length = (uint32_t)((head + 7) / 8 * 8), none = 0;
      memcpy(tree->file_record + UNPACK_AT_LENGTH, &length, sizeof length);
      memcpy(tree->file_record + UNPACK_AT_DATA_LEN, &none, sizeof none);
      tree->file = fd;
      return 0;
    }
    error = failed(tree, "malloc");
  }
  if (!error) error = set_file_attributes(tree, fd, r);
  close(fd);
  return error;
}

int unpack_open_file(const struct unpack_tree *tree, struct unpack_record *record) {
  if (!tree->file_record) return 0;
  uint32_t length;
  memcpy(&length, tree->file_record + UNPACK_AT_LENGTH, sizeof length);
  return unpack_record_parse(tree->file_record, length, record) > 0;
}

static int run_data(struct unpack_tree *tree, const struct unpack_record *r) {
  if (tree->file < 0) {
    tree->step = "data without a file";
    return EPROTO;
  }
  int error = write_all(tree, tree->file, r->data, r->data_len);
  if (error || (r->flags & UNPACK_FLAG_MORE)) return error;
  struct unpack_record head;
  if (!unpack_open_file(tree, &head)) return EPROTO;
  error = set_file_attributes(tree, tree->file, &head);
  close_file(tree);
  return error;
}

/* --- copies from a lower layer --- */

static int copy_data(struct unpack_tree *tree, int from, int to) {
  for (;;) {
    ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR) return failed(tree, "copy_file_range");
  }
}

/* Everything but overlayfs' own marks, which describe the layer they are in. */
static int copy_xattrs(struct unpack_tree *tree, int from, int to) {
  static const char OVERLAY[] = "trusted.overlay.";
  char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
  ssize_t size = flistxattr(from, names, sizeof names);
  if (size < 0) return failed(tree, "listxattr");
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (strncmp(name, OVERLAY, sizeof OVERLAY - 1) == 0) continue;
    ssize_t len = fgetxattr(from, name, value, sizeof value);
    if (len < 0) return failed(tree, "getxattr");
    if (fsetxattr(to, name, value, (size_t)len, 0) < 0) return failed(tree, "setxattr");
  }
  return 0;
}

static int make_directory(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  if (mkdirat(dir, r->name, r->mode & 0777) < 0) {
    failed(tree, "mkdirat");
    return -1;
  }
  int fd = openat(dir, r->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) failed(tree, "openat");
  return fd;
}

static int run_copy(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int from = open_beneath(r->lower, r->target, O_RDONLY | O_NONBLOCK);
  if (from < 0) return failed(tree, "openat2 of the lower layer");
  struct stat st;
  int error = 0, to = -1, is_dir = 0;
  if (fstat(from, &st) < 0) error = failed(tree, "fstat");
  else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) error = EINVAL;
  if (!error) {
    is_dir = S_ISDIR(st.st_mode);
    to = is_dir ? make_directory(tree, dir, r) : create_file(tree, dir, r);
    if (to < 0) error = errno;
  }
  if (!error && !is_dir) error = copy_data(tree, from, to);
  if (!error && fchown(to, r->uid, r->gid) < 0) error = failed(tree, "fchown");
  if (!error) error = copy_xattrs(tree, from, to);
  if (!error) error = set_file_attributes(tree, to, r);
  close(from);
  if (to >= 0) close(to);
  return error;
}

/* --- everything else --- */

static int run_directory(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int fd = make_directory(tree, dir, r);
  if (fd < 0) return errno;
  int error = set_attributes(tree, fd, r);
  remember_child(tree, r, fd);
  return error;
}

static int run_symlink(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  if (symlinkat(r->target, dir, r->name) < 0) return failed(tree, "symlinkat");
  return set_attributes_at(tree, dir, r);
}

static int run_link(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  const char *slash = strrchr(r->target, '/');
  char parent[PATH_MAX];
  size_t len = slash ? (size_t)(slash - r->target) : 0;
  if (len >= sizeof parent) return ENAMETOOLONG;
  memcpy(parent, r->target, len);
  parent[len] = 0;
  /* Opened apart from the cache, which could close `dir` to make room. */
  int target_dir = len > 0 ? open_beneath(tree->root, parent, O_PATH | O_DIRECTORY) : dup(tree->root);
  if (target_dir < 0) return failed(tree, "openat2 of the link's target");
  int error = linkat(target_dir, slash ? slash + 1 : r->target, dir, r->name, 0) < 0 ? failed(tree, "linkat") : 0;
  close(target_dir);
  return error;
}

static int run_node(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  if (mknodat(dir, r->name, r->mode, makedev(r->major, r->minor)) < 0) return failed(tree, "mknodat");
  return set_attributes_at(tree, dir, r);
}

static int run_remove(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int is_dir = (r->flags & UNPACK_FLAG_DIRECTORY) != 0;
  int error = unlinkat(dir, r->name, is_dir ? AT_REMOVEDIR : 0) < 0 ? failed(tree, "unlinkat") : 0;
  if (is_dir) forget_all_dirs(tree);
  return error;
}

/* The directory of `attributes` and `settle`: name "" is the parent itself (the root has no name). */
static int open_subject(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int fd = openat(dir, r->name[0] ? r->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) failed(tree, "openat");
  return fd;
}

static int drop_xattrs(struct unpack_tree *tree, int fd) {
  static const char *const KEPT_FROM_LAYERS[] = {"user.", "security.capability", "system.posix_acl_"};
  char names[XATTR_LIST_MAX];
  ssize_t size = flistxattr(fd, names, sizeof names);
  if (size < 0) return failed(tree, "listxattr");
  for (const char *name = names; name < names + size; name += strlen(name) + 1)
    for (size_t i = 0; i < sizeof KEPT_FROM_LAYERS / sizeof *KEPT_FROM_LAYERS; i++)
      if (strncmp(name, KEPT_FROM_LAYERS[i], strlen(KEPT_FROM_LAYERS[i])) == 0 && fremovexattr(fd, name) < 0)
        return failed(tree, "removexattr");
  return 0;
}

static int run_attributes(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int fd = open_subject(tree, dir, r);
  if (fd < 0) return errno;
  int error = drop_xattrs(tree, fd);
  if (!error) error = set_attributes(tree, fd, r);
  close(fd);
  return error;
}

static int run_settle(struct unpack_tree *tree, int dir, const struct unpack_record *r) {
  int fd = open_subject(tree, dir, r);
  if (fd < 0) return errno;
  struct timespec times[2];
  times_of(r, times);
  int error = set_xattrs(tree, fd, r);
  if (!error && futimens(fd, times) < 0) error = failed(tree, "futimens");
  close(fd);
  return error;
}

int unpack_run(struct unpack_tree *tree, const uint8_t *bytes, const struct unpack_record *r) {
  tree->step = "record";
  if (r->op == UNPACK_OP_DATA) return run_data(tree, r);
  if (tree->file >= 0) return EPROTO; /* nothing but data may come while a file is open */
  int names_itself = r->op == UNPACK_OP_ATTRIBUTES || r->op == UNPACK_OP_SETTLE;
  int needs_target = r->op == UNPACK_OP_SYMLINK || r->op == UNPACK_OP_LINK || r->op == UNPACK_OP_COPY;
  if ((!r->name[0] && !names_itself) || (needs_target && !r->target)) return EPROTO;
  int dir = dir_at(tree, r->parent, r->parent_len);
  if (dir < 0) return failed(tree, "openat2 of the parent");
  switch (r->op) {
    case UNPACK_OP_FILE: return run_file(tree, dir, bytes, r);
    case UNPACK_OP_DIRECTORY: return run_directory(tree, dir, r);
    case UNPACK_OP_SYMLINK: return run_symlink(tree, dir, r);
    case UNPACK_OP_LINK: return run_link(tree, dir, r);
    case UNPACK_OP_NODE: return run_node(tree, dir, r);
    case UNPACK_OP_REMOVE: return run_remove(tree, dir, r);
    case UNPACK_OP_ATTRIBUTES: return run_attributes(tree, dir, r);
    case UNPACK_OP_SETTLE: return run_settle(tree, dir, r);
    case UNPACK_OP_COPY: return run_copy(tree, dir, r);
    default: return EPROTO;
  }
}

void unpack_tree_close(struct unpack_tree *tree) {
  close_file(tree);
  forget_all_dirs(tree);
  close(tree->root);
}
