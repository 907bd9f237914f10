/* Removing a tree, for JavaScript. */
#define _GNU_SOURCE
#include "tsrun.h"

#include <fcntl.h>

#include "common/remove-tree.h"

int32_t tsr_remove_tree(const char *path) { return remove_tree_at(AT_FDCWD, path); }
