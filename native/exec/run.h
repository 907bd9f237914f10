/* What the executor knows while it walks a plan. */
#ifndef RUN_H
#define RUN_H
#include <stdint.h>
#include <sys/types.h>

#include "plan.h"

#define FD_CLOSED (-1)
#define FD_ABSENT (-2) /* a tolerant op found nothing to open; ops that need it are skipped */

struct report_op {
  uint64_t start_ns, end_ns;
  int32_t result;
  uint32_t state; /* OP_DONE … */
};
enum { OP_DONE = 1, OP_TOLERATED = 2, OP_SKIPPED = 3, OP_FAILED = 4 };
enum { STATE_PREPARING = 0, STATE_RUNNING = 1, STATE_ENDED = 2, STATE_FAILED = 3 };

/* Shared between the host process and the child: see src/kernel/report.ts. */
struct report {
  uint32_t state;
  uint32_t failed_op;
  int32_t error;
  int32_t wait_status;
  int32_t pid;
  uint32_t child_at;
  char detail[REPORT_DETAIL_SIZE];
  struct report_op ops[];
};
_Static_assert(offsetof(struct report, failed_op) == REPORT_FAILED_OP, "layout");
_Static_assert(offsetof(struct report, error) == REPORT_ERRNO, "layout");
_Static_assert(offsetof(struct report, wait_status) == REPORT_WAIT_STATUS, "layout");
_Static_assert(offsetof(struct report, pid) == REPORT_PID, "layout");
_Static_assert(offsetof(struct report, child_at) == REPORT_CHILD_AT, "layout");
_Static_assert(offsetof(struct report, detail) == REPORT_DETAIL, "layout");
_Static_assert(offsetof(struct report, ops) == REPORT_OPS, "layout");
_Static_assert(sizeof(struct report_op) == REPORT_OP_SIZE, "layout");

#define MAX_SERVICES 2

struct run {
  const struct plan *plan;
  struct report *report;
  int fds[TSR_MAX_FDS];
  int sync;       /* this process's end of the socket between host and child */
  int child_sync; /* the other end; the host closes it after the clone */
  int plan_fd, report_fd;
  int starter;    /* of a child that somebody else starts: the connection to whoever does, or -1 */
  int is_child;
  int notify_from, notify_to; /* of a container that says when it is ready, and of whoever hears of it; or -1 */
  char *home;     /* one more variable for the program, or NULL: find_home */
  int entered;    /* this process stands in the working directory of the program */
  pid_t child;
  int pidfd;
  pid_t services[MAX_SERVICES]; /* service.h */
  int n_services;
  pid_t holder; /* of a cgroup; 0 for none */
  unsigned long oom_kills; /* processes of the container that the kernel ended for want of memory */
};

/* An op: a result >= 0, or -errno. */
typedef int op_fn(struct run *r, const struct plan_op *op);
#define DECLARE(NAME, name, ...) op_fn op_##name;
TSR_OPS(DECLARE)
#undef DECLARE

/* The descriptor in a field, or AT_FDCWD where it was left out. */
int run_fd(const struct run *r, uint64_t number);
/* Stores a newly opened descriptor under its number; passes -errno through. */
int run_store(struct run *r, uint64_t number, int fd);
/* Leaves text for the error message: which component, which directory of PATH. */
void run_detail(struct run *r, const char *text);
const char *run_str(const struct run *r, uint64_t ref);
/* A list that ends with NULL, to be freed; NULL for want of memory. */
char **run_strings(const struct run *r, uint64_t ref);

/* Runs the ops of this process from the start; a child continues after its clone in the same walk.
 * Returns 0, or -1 with the failure in the report. */
int run_walk(struct run *r);
/* Runs cleanup ops (and undo ops when the start failed), last first, whatever each of them returns. */
void run_cleanup(struct run *r, int failed);

/* process.c: until the child has become the program, or has ended; a failure that nobody reported is put in the report. */
void await_exec(struct run *r);

/* ready.c: passes one message on; the helper is the main process then. */
void ready_pass(struct run *r);
/* Until the container, which is the main process, has said that it is ready, or has ended. */
void ready_await(struct run *r);

/* check.c: checks the plans on standard input. */
int check_plans(void);

/* monitor.c: serves the container until it has ended. */
void monitor_block_signals(void);
void monitor_unblock_signals(void);
void monitor_serve(struct run *r);

#endif
