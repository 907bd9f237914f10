/* Removing a tree whose names and depth somebody else chose: by descriptor, never through a symbolic link,
 * never into another mount, with a bounded number of open descriptors. */
#define _GNU_SOURCE
#include "common/remove-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Below this depth a directory is moved up to the top and removed from there, so that a tree deeper than the
 * limit of open files (or than PATH_MAX) still goes. */
#define MAX_DEPTH 64

struct removal {
  int top;
  unsigned moved;
};

static int remove_contents(struct removal *removal, int dir, int depth);

int remove_tree_at(int at, const char *path) {
  if (unlinkat(at, path, 0) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return -errno;
  struct removal removal = {.top = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), .moved = 0};
  if (removal.top < 0) return -errno;
  int error;
  unsigned moved_before;
  do { /* again as long as deep directories were moved to the top */
    moved_before = removal.moved;
    error = remove_contents(&removal, removal.top, 0);
  } while (error == 0 && removal.moved != moved_before);
  close(removal.top);
  if (error) return -error;
  return unlinkat(at, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_directory(struct removal *removal, int dir, const char *name, int depth) {
  if (depth >= MAX_DEPTH) {
    char fresh[32];
    int moved;
    do {
      snprintf(fresh, sizeof fresh, ".tsr-deep-%u", removal->moved++);
      moved = (int)syscall(SYS_renameat2, dir, name, removal->top, fresh, RENAME_NOREPLACE);
    } while (moved < 0 && errno == EEXIST);
    return moved < 0 ? errno : 0;
  }
  struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  int child = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
  if (child < 0) return errno;
  int error = remove_contents(removal, child, depth + 1);
  close(child);
  if (error) return error;
  return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? errno : 0;
}

static int remove_contents(struct removal *removal, int dir, int depth) {
  int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return errno;
  DIR *stream = fdopendir(copy);
  if (!stream) {
    int error = errno;
    close(copy);
    return error;
  }
  int error = 0;
  struct dirent *entry;
  while (!error && (errno = 0, entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(dir, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    error = errno == EISDIR ? remove_directory(removal, dir, entry->d_name, depth) : errno;
  }
  if (!error) error = errno; /* of readdir */
  closedir(stream);
  return error;
}
