/* The plain C interface of libtsrun.so, which src/kernel/native.ts opens by FFI.
 * Every function returns a value >= 0, or -errno. None keeps a pointer after it returns. */
#ifndef TSRUN_H
#define TSRUN_H
#include <stdint.h>

#define TSR_EXPORT __attribute__((visibility("default")))

/* A memfd named `name` that holds `len` bytes of `data`; when `sealed`, nobody can change it any more. `cloexec` 0 leaves it
 * open across execve. Returns the descriptor. memfd_create(2), fcntl(2) F_ADD_SEALS. */
TSR_EXPORT int32_t tsr_memfd(const char *name, const uint8_t *data, uint64_t len, int32_t sealed, int32_t cloexec);

/* Starts `tsrun-exec run plan report` from the descriptor `helper` and returns its pid. The clone shares memory until the
 * exec, so it costs the same however large this process is. clone(2) CLONE_VM, CLONE_VFORK. */
TSR_EXPORT int32_t tsr_spawn_helper(int32_t helper, int32_t plan, int32_t report);

/* Leaves a descriptor open across execve. Node closes there all that it was given itself. fcntl(2), FD_CLOEXEC. */
TSR_EXPORT int32_t tsr_pass_on(int32_t fd);

/* Waits for a child and returns its exit status, or 128 + signal. Signals that somebody sends to this process
 * meanwhile are passed on to the child. */
TSR_EXPORT int32_t tsr_wait(int32_t pid);

/* Sends `signal` (0: none, only looks) to the process `pid` that began at `started` (field 22 of /proc/PID/stat). -ESRCH when
 * it is gone, also when the number belongs to another process now. pidfd_send_signal(2). */
TSR_EXPORT int32_t tsr_kill(int32_t pid, uint64_t started, int32_t signal);

/* Starts the container that waits at the unix socket `path` (op await_start), and returns when its program runs, or has not been
 * able to: `fds` gets two descriptors, of its plan and of the report, where the difference stands. -ECONNREFUSED when nobody waits
 * there any more. */
TSR_EXPORT int32_t tsr_start(const char *path, int32_t *fds);

/* A notification socket (sd_notify(3)) at `name` in `directory`, open to every user. Returns its descriptor. */
TSR_EXPORT int32_t tsr_notify_listen(const char *directory, const char *name);

/* Until a message there says READY=, which is passed on to the socket `host` with the number of the process `pid` that began at
 * `started`, or until that process has ended. Closes nothing it was given. */
TSR_EXPORT int32_t tsr_notify_until_ready(int32_t from, const char *host, int32_t pid, uint64_t started);

/* flock(2), which Node lacks: an advisory lock on an open file. `operation` is LOCK_SH 1, LOCK_EX 2, LOCK_UN 8, with
 * LOCK_NB 4. -EWOULDBLOCK when somebody else holds it. */
TSR_EXPORT int32_t tsr_flock(int32_t fd, int32_t operation);

/* lgetxattr(2): the length of the attribute `name` of `path` (bytes that end with a NUL). -ENODATA when it has none. */
TSR_EXPORT int32_t tsr_lgetxattr(const uint8_t *path, const char *name, uint8_t *value, uint32_t capacity);

/* llistxattr(2): the bytes of the names of the extended attributes of `path` (bytes that end with a NUL), each name with its NUL. */
TSR_EXPORT int32_t tsr_llistxattr(const uint8_t *path, uint8_t *names, uint32_t capacity);

/* Removes the file or the tree at `path` by descriptor: any names, any depth, no symbolic link followed, no other
 * mount entered (-EXDEV). */
TSR_EXPORT int32_t tsr_remove_tree(const char *path);

/* Sends netlink messages on a socket of `protocol` in the network namespace `netns` (a descriptor; -1: this one) and waits for
 * all answers. Returns the bytes of replies written to `reply`, without acks, or -errno with the kernel's words about it (or an
 * empty string) in `reply`, NUL-terminated. -EMSGSIZE: `reply` is too small. netlink(7). */
TSR_EXPORT int32_t tsr_netlink(int32_t protocol, int32_t netns, const uint8_t *request, uint32_t len, uint8_t *reply,
                               uint32_t capacity);

/* Calls methods on the D-Bus whose socket is at `bus`; the last call starts a job of systemd, whose end is awaited. Returns 0, or
 * -errno with what was said about it (or an empty string) in the 200 bytes of `text`: see common/systemd-job.h. */
TSR_EXPORT int32_t tsr_systemd_job(const char *bus, const uint8_t *calls, uint32_t len, uint8_t *text, uint32_t size);

/* Makes an eBPF program decide about devices in the cgroup (of v2) at this path, in place of the one there: there is no
 * moment without any. -EBUSY when somebody else has attached programs too. bpf(2), BPF_F_REPLACE. */
TSR_EXPORT int32_t tsr_cgroup_device(const char *cgroup, const uint8_t *program, uint32_t len);

/* The writer thread of one layer. open: a handle for the tree below the directory `root` (which is duplicated).
 * event: the eventfd that is signalled when a full queue has room again and when the thread has ended.
 * submit: queues a copy of a batch; 1 asks to wait for the event, -errno is the thread's first failure.
 * close: no further batch; with `sync` the file system is synced at the end. finish: waits for the end, tells where
 * it failed (layout UNPACK_RESULT in src/image/unpack/format.ts), frees the handle; before a close it gives up. */
TSR_EXPORT int32_t tsr_unpack_open(int32_t root);
TSR_EXPORT int32_t tsr_unpack_event(int32_t handle);
TSR_EXPORT int32_t tsr_unpack_submit(int32_t handle, const uint8_t *bytes, uint32_t len);
TSR_EXPORT int32_t tsr_unpack_close(int32_t handle, int32_t sync);
TSR_EXPORT int32_t tsr_unpack_finish(int32_t handle, uint8_t *result, uint32_t len);

#endif
