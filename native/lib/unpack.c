/* The writer thread of a layer: it takes batches from a queue, so that inflating, reading tar headers and making
 * files go on at the same time. The main thread never waits here for the disk: when the queue is full it is told
 * so, and reads an eventfd (on Node's pool) that the writer signals when there is room, and at the end. */
#define _GNU_SOURCE
#include "tsrun.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack-format.gen.h"

#define MAX_UNPACKS 16
#define QUEUE_HIGH_BYTES (4u << 20) /* above this the submitter is asked to wait */
#define QUEUE_LOW_BYTES (1u << 20)  /* below this it is told to go on */

struct batch {
  struct batch *next;
  uint32_t len;
  uint8_t bytes[];
};

struct unpack {
  pthread_t thread;
  int event;
  struct unpack_tree tree; /* the writer thread's alone */
  _Atomic int dropped;     /* the result is not wanted */

  pthread_mutex_t lock; /* guards everything below */
  pthread_cond_t more;
  struct batch *first, **end;
  uint32_t queued_bytes;
  int waiting; /* the submitter reads the eventfd */
  int closed;  /* no further batch comes */
  int sync;
  int error; /* errno of the first failure; the rest is then passed over */
  uint32_t failed_op;
  char failed_step[UNPACK_RESULT_PATH - UNPACK_RESULT_STEP];
  char failed_path[UNPACK_RESULT_SIZE - UNPACK_RESULT_PATH];
};

static struct unpack *unpacks[MAX_UNPACKS]; /* used by the main thread only */

static struct unpack *unpack_of(int32_t handle) {
  return handle >= 0 && handle < MAX_UNPACKS ? unpacks[handle] : NULL;
}

static void signal_event(struct unpack *u) {
  uint64_t one = 1;
  ssize_t n;
  do n = write(u->event, &one, sizeof one);
  while (n < 0 && errno == EINTR);
}

/* --- the writer thread --- */

/* Without `r` there is nothing to name. A data record has no name: the one of its file is told instead. */
static void fail(struct unpack *u, int error, const struct unpack_record *r) {
  struct unpack_record file;
  if (r && unpack_open_file(&u->tree, &file)) r = &file;
  pthread_mutex_lock(&u->lock);
  u->error = error;
  u->failed_op = r ? r->op : 0;
  snprintf(u->failed_step, sizeof u->failed_step, "%s", u->tree.step);
  if (r) snprintf(u->failed_path, sizeof u->failed_path, "%s%s%s", r->parent, r->parent_len ? "/" : "", r->name);
  pthread_mutex_unlock(&u->lock);
}

static int run_batch(struct unpack *u, const struct batch *batch) {
  for (uint32_t at = 0; at < batch->len;) {
    struct unpack_record record;
    uint32_t length = unpack_record_parse(batch->bytes + at, batch->len - at, &record);
    int error = length ? unpack_run(&u->tree, batch->bytes + at, &record) : EPROTO;
    if (error) {
      if (!length) u->tree.step = "malformed record";
      fail(u, error, length ? &record : NULL);
      return -1;
    }
    at += length;
  }
  return 0;
}

/* The next batch, or NULL at the end. */
static struct batch *take(struct unpack *u) {
  pthread_mutex_lock(&u->lock);
  while (!u->first && !u->closed) pthread_cond_wait(&u->more, &u->lock);
  struct batch *batch = u->first;
  if (batch) {
    u->first = batch->next;
    if (!u->first) u->end = &u->first;
  }
  pthread_mutex_unlock(&u->lock);
  return batch;
}

static void give_back(struct unpack *u, struct batch *batch) {
  pthread_mutex_lock(&u->lock);
  u->queued_bytes -= batch->len;
  int wake = u->waiting && u->queued_bytes <= QUEUE_LOW_BYTES;
  if (wake) u->waiting = 0;
  pthread_mutex_unlock(&u->lock);
  free(batch);
  if (wake) signal_event(u);
}

static void *write_layer(void *argument) {
  struct unpack *u = argument;
  /* An own umask, so that open(2) and mkdir(2) make the right mode at once. Where this is refused the modes are
   * corrected by fchmod, as set_attributes compares them. */
  if (unshare(CLONE_FS) == 0) umask(0);
  int healthy = 1;
  for (struct batch *batch; (batch = take(u)); give_back(u, batch))
    if (healthy && !u->dropped) healthy = run_batch(u, batch) == 0;
  if (healthy && !u->dropped && u->tree.file >= 0) {
    u->tree.step = "file without its end";
    fail(u, EPROTO, NULL);
  } else if (healthy && !u->dropped && u->sync && syncfs(u->tree.root) < 0) {
    u->tree.step = "syncfs";
    fail(u, errno, NULL);
  }
  unpack_tree_close(&u->tree);
  signal_event(u);
  return NULL;
}

/* --- the main thread --- */

static int start_thread(struct unpack *u) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals stay with Node's main thread */
  int error = pthread_create(&u->thread, NULL, write_layer, u);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

int32_t tsr_unpack_open(int32_t root) {
  int32_t handle = 0;
  while (handle < MAX_UNPACKS && unpacks[handle]) handle++;
  if (handle == MAX_UNPACKS) return -EMFILE;
  struct unpack *u = calloc(1, sizeof *u);
  if (!u) return -ENOMEM;
  u->end = &u->first;
  u->tree.file = -1;
  pthread_mutex_init(&u->lock, NULL);
  pthread_cond_init(&u->more, NULL);
  int error = 0;
  u->event = eventfd(0, EFD_CLOEXEC);
  u->tree.root = fcntl(root, F_DUPFD_CLOEXEC, 3);
  if (u->event < 0 || u->tree.root < 0) error = errno;
  if (!error) error = start_thread(u);
  if (error) {
    if (u->event >= 0) close(u->event);
    if (u->tree.root >= 0) close(u->tree.root);
    free(u);
    return -error;
  }
  unpacks[handle] = u;
  return handle;
}

int32_t tsr_unpack_event(int32_t handle) {
  struct unpack *u = unpack_of(handle);
  return u ? u->event : -EBADF;
}

int32_t tsr_unpack_submit(int32_t handle, const uint8_t *bytes, uint32_t len) {
  struct unpack *u = unpack_of(handle);
  if (!u || u->closed) return -EBADF;
  if (len > UNPACK_MAX_BATCH) return -EMSGSIZE;
  struct batch *batch = malloc(sizeof *batch + len);
  if (!batch) return -ENOMEM;
  batch->next = NULL;
  batch->len = len;
  memcpy(batch->bytes, bytes, len);
  pthread_mutex_lock(&u->lock);
  *u->end = batch;
  u->end = &batch->next;
  u->queued_bytes += len;
  int error = u->error;
  int wait = !error && u->queued_bytes > QUEUE_HIGH_BYTES;
  if (wait) u->waiting = 1;
  pthread_cond_signal(&u->more);
  pthread_mutex_unlock(&u->lock);
  return error ? -error : wait;
}

int32_t tsr_unpack_close(int32_t handle, int32_t sync) {
  struct unpack *u = unpack_of(handle);
  if (!u) return -EBADF;
  pthread_mutex_lock(&u->lock);
  u->closed = 1;
  u->sync = sync;
  pthread_cond_signal(&u->more);
  pthread_mutex_unlock(&u->lock);
  return 0;
}

int32_t tsr_unpack_finish(int32_t handle, uint8_t *result, uint32_t len) {
  struct unpack *u = unpack_of(handle);
  if (!u) return -EBADF;
  pthread_mutex_lock(&u->lock);
  if (!u->closed) u->dropped = u->closed = 1;
  pthread_cond_signal(&u->more);
  pthread_mutex_unlock(&u->lock);
  pthread_join(u->thread, NULL);
  unpacks[handle] = NULL;
  int error = u->error;
  if (len >= UNPACK_RESULT_SIZE) {
    memcpy(result + UNPACK_RESULT_OP, &u->failed_op, sizeof u->failed_op);
    memcpy(result + UNPACK_RESULT_STEP, u->failed_step, sizeof u->failed_step);
    memcpy(result + UNPACK_RESULT_PATH, u->failed_path, sizeof u->failed_path);
  }
  close(u->event);
  pthread_cond_destroy(&u->more);
  pthread_mutex_destroy(&u->lock);
  free(u);
  return -error;
}
