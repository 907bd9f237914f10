/*
 * tsrun and tsrun-oci as they are installed, dist/bin/: starts the bundle of its name beside it with the Node it is pinned to (the npm package
 * `node`). bin/tsrun does the same for a checkout; a shell takes a millisecond longer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Docker's exit status for an error of the engine. */
enum { EXIT_ENGINE = 125 };

/* From dist/: where npm has put the package in dist/ itself, in the checkout, and beside tsrun's own. */
static const char *const NODE_PLACES[] = {"node_modules", "../node_modules", "../.."};

static int fail(const char *tried, const char *path, const char *hint) {
  fprintf(stderr, "tsrun: cannot %s %s: %s\nhint: %s\n", tried, path, strerror(errno), hint);
  return EXIT_ENGINE;
}

/*
 * The directory above that of this program, and its name. The kernel's link has no symbolic link left in it, whatever the program
 * was called by; argv[0] is only what the caller chose to say, and would have to be looked up in PATH.
 */
static int find_root(char root[PATH_MAX], char name[NAME_MAX + 1]) {
  ssize_t length = readlink("/proc/self/exe", root, PATH_MAX - 1);
  if (length < 0) return -1;
  root[length] = '\0';
  snprintf(name, NAME_MAX + 1, "%s", strrchr(root, '/') + 1);
  for (int levels = 0; levels < 2; levels++) *strrchr(root, '/') = '\0';
  return 0;
}

/* Commands through which whole images go. */
static int moves_images(const char *verb) {
  static const char *const verbs[] = {"pull", "push", "load", "save", "import"};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp(verb, verbs[i]) == 0) return 1;
  return 0;
}

int main(int argc, char **argv) {
  char root[PATH_MAX], name[NAME_MAX + 1], script[PATH_MAX + NAME_MAX + 8], node[PATH_MAX + 64];
  if (find_root(root, name) < 0) return fail("read", "/proc/self/exe", "tsrun needs the proc file system: mount -t proc proc /proc");
  snprintf(script, sizeof script, "%s/%s.cjs", root, name);

  char *const before[] = {
      node,
      /* The FFI door is an experimental module of Node; its warning is nothing the user can act on. */
      "--disable-warning=ExperimentalWarning",
      /* Megabytes for new objects: a start ends before the first garbage collection, which takes a millisecond of it. Where whole
       * images go through, what is not collected early is memory: a pull would need half as much again (docs/performance.md). */
      argc > 1 && moves_images(argv[1]) ? "--min-semi-space-size=1" : "--min-semi-space-size=16",
      /* Threads of V8 for compiling and collecting: a command is over before three more would help. */
      "--v8-pool-size=1",
      /* Without it Node takes `--env-file FILE` out of the words that are tsrun's. */
      "--",
      script,
  };
  const size_t count = sizeof before / sizeof *before;
  char **args = calloc(count + (size_t)argc, sizeof *args);
  if (args == NULL) return fail("start", script, "free some memory");
  memcpy(args, before, sizeof before);
  if (argc > 0) args[0] = argv[0]; /* process.argv0: people install tsrun-oci by other names, and it calls itself as they do */
  for (int i = 1; i < argc; i++) args[count + (size_t)i - 1] = argv[i];

  for (size_t i = 0; i < sizeof NODE_PLACES / sizeof *NODE_PLACES; i++) {
    snprintf(node, sizeof node, "%s/%s/node/bin/node", root, NODE_PLACES[i]);
    execv(node, args);
    if (errno != ENOENT && errno != ENOTDIR) return fail("start", node, "run `npm rebuild node` where tsrun is installed");
  }
  fprintf(stderr,
          "tsrun: cannot find the Node it runs on: node_modules/node/bin/node, from %s\n"
          "hint: run `npm run setup` in the checkout, or `npm rebuild node` where tsrun is installed\n",
          root);
  return EXIT_ENGINE;
}
