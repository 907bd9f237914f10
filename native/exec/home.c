/* The home directory of the program's user, where nobody has said what it is: from the container's /etc/passwd (passwd(5)). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"
#include "syscalls.h"

/* The file is the container's: what is read of it has an end. */
#define MAX_BYTES (10 << 20)

/* NULL for a line that is not of `uid`; else its home directory, in the line. */
static const char *home_in(char *line, unsigned long uid) {
  char *rest = line, *field[7], *end;
  for (size_t i = 0; i < sizeof field / sizeof *field; i++) field[i] = strsep(&rest, ":");
  if (field[5] == NULL || field[2][0] < '0' || field[2][0] > '9') return NULL;
  return strtoul(field[2], &end, 10) == uid && *end == '\0' ? field[5] : NULL;
}

/* With a control character in it, it would forge what reads the environment line by line. */
static int is_plain(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < ' ' || *text == 0x7f) return 0;
  return 1;
}

/* A line that does not fit, or has a NUL, is nobody's. */
static void find(FILE *file, unsigned long uid, char *home, size_t size) {
  char line[8192];
  const char *found = NULL;
  for (size_t bytes = 0, whole = 1; found == NULL && bytes < MAX_BYTES && fgets(line, sizeof line, file) != NULL;) {
    size_t length = strlen(line), begins = whole;
    whole = length > 0 && line[length - 1] == '\n';
    bytes += whole ? length : sizeof line; /* a NUL hides how much was read */
    if (!begins || !(whole || feof(file))) continue;
    line[strcspn(line, "\n")] = '\0';
    found = home_in(line, uid);
  }
  if (found != NULL && *found != '\0' && is_plain(found) && strlen(found) < size) strcpy(home, found);
}

/* Neither a pipe, which would keep this process waiting, nor a descriptor of the host by way of /proc. */
static FILE *open_passwd(int root) {
  int fd = sys_openat2(root, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  struct stat st;
  if (fd < 0) return NULL;
  FILE *file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
  if (file == NULL) close(fd);
  return file;
}

/* Without an entry the home directory is "/", as with runc. */
int op_find_home(struct run *r, const struct plan_op *op) {
  static char variable[4096] = "HOME=/";
  FILE *passwd = open_passwd(r->fds[op->f[FIND_HOME_AT]]);
  if (passwd != NULL) {
    find(passwd, (unsigned long)op->f[FIND_HOME_UID], variable + 5, sizeof variable - 5);
    fclose(passwd);
  }
  r->home = variable;
  return 0;
}
