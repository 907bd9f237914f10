/* The writer of layers: records of src/image/unpack/format.ts become files below one root directory.
 * unpack.c owns the queue and the thread; unpack-record.c checks a record; unpack-ops.c runs it. */
#ifndef UNPACK_H
#define UNPACK_H
#include <stddef.h>
#include <stdint.h>

#define UNPACK_CACHED_DIRS 16

/* One record, with its strings checked: each ends with a NUL and holds no other. */
struct unpack_record {
  uint32_t op, flags, mode, uid, gid, major, minor, mtime_ns;
  int64_t mtime_s;
  int32_t lower;
  const char *parent, *name, *target; /* parent is "" for the root; target is NULL when there is none */
  size_t parent_len;
  const uint8_t *xattrs, *data;
  uint32_t xattrs_len, data_len;
};

struct unpack_cached_dir {
  char *path; /* NULL: the place is free */
  size_t len;
  int fd;
};

/* The tree being written. Only the writer thread touches it. */
struct unpack_tree {
  int root;
  struct unpack_cached_dir dirs[UNPACK_CACHED_DIRS];
  unsigned next_dir;
  int file;                   /* a regular file that waits for DATA records, or -1 */
  uint8_t *file_record;       /* a copy of its record, whose attributes are set at the end */
  const char *step;           /* the call that failed */
};

/* Reads the record at the start of `bytes`. Returns its length, or 0 when it is malformed. */
uint32_t unpack_record_parse(const uint8_t *bytes, size_t available, struct unpack_record *record);

/* Walks an xattrs block that unpack_record_parse has checked. Returns 0 at the end. */
int unpack_next_xattr(const uint8_t **at, const uint8_t *end, const char **name, const uint8_t **value, uint32_t *len);

/* Runs one record. Returns 0 or an errno, with tree->step set. */
int unpack_run(struct unpack_tree *tree, const uint8_t *bytes, const struct unpack_record *record);

/* The record of the file that waits for data. Returns 0 when there is none. */
int unpack_open_file(const struct unpack_tree *tree, struct unpack_record *record);

/* Closes what the tree holds open. */
void unpack_tree_close(struct unpack_tree *tree);

#endif
