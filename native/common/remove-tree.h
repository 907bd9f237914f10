/* Removing a tree by descriptor; used by the library and by the helper. */
#ifndef REMOVE_TREE_H
#define REMOVE_TREE_H

/* Removes the file or the tree at `path`, relative to the directory `at` (AT_FDCWD: the current one). Returns 0, or
 * -errno: -EXDEV where another mount lies in the tree. */
int remove_tree_at(int at, const char *path);

#endif
