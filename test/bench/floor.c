// floor CGROUP2 LOWER SCRATCH PROGRAM [ARGUMENT...]: the least that starting a container takes on this machine.
// One C program, no configuration: a cgroup below CGROUP2 (where cgroup v2 is mounted), every namespace, an overlay (upper and work in SCRATCH), the usual mounts,
// devices, masked and read-only paths, pivot_root, limits, capabilities, seccomp, exec, reap, clean up. What an
// engine takes beyond this is the engine's own.
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(call) \
  do { \
    if ((call) < 0) err(2, "floor: %s", #call); \
  } while (0)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct job {
  const char *lower, *scratch;
  char **argv;
};

static _Noreturn void container(const struct job *job);

int main(int argc, char **argv) {
  if (argc < 5) errx(2, "usage: floor CGROUP2 LOWER SCRATCH PROGRAM [ARGUMENT...]");
  const struct job job = {.lower = argv[2], .scratch = argv[3], .argv = argv + 4};
  char name[32];
  snprintf(name, sizeof name, "floor-%d", getpid());

  int cgroups = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK(cgroups);
  CHECK(mkdirat(cgroups, name, 0755));
  int cgroup = openat(cgroups, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK(cgroup);
  struct clone_args clone3 = {
      .flags = CLONE_VFORK | CLONE_INTO_CGROUP | CLONE_NEWCGROUP | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS |
               CLONE_NEWUTS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
      .cgroup = (uint64_t)cgroup,
  };
  pid_t pid = (pid_t)syscall(SYS_clone3, &clone3, sizeof clone3);
  CHECK(pid);
  if (pid == 0) container(&job);
  int status;
  CHECK(waitpid(pid, &status, 0));
  CHECK(unlinkat(cgroups, name, AT_REMOVEDIR));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int cgroup2_alone(void) { return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0; }

static void mount_root(const struct job *job) {
  char options[8192];
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", job->lower, job->scratch, job->scratch);
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  CHECK(chdir(job->scratch));
  CHECK(mount("overlay", "merged", "overlay", 0, options));
  CHECK(chdir("merged"));
}

static void mount_at(const char *type, const char *target, unsigned long flags, const char *options) {
  if (mount(type, target, type, flags, options) == 0) return;
  CHECK(errno == ENOENT ? mkdir(target, 0755) : -1);
  CHECK(mount(type, target, type, flags, options));
}

static void mount_file_systems(void) {
  const unsigned long hardened = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount_at("proc", "proc", hardened, NULL);
  mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("sysfs", "sys", hardened | MS_RDONLY, NULL);
  if (cgroup2_alone()) mount_at("cgroup2", "sys/fs/cgroup", hardened | MS_RDONLY, NULL);
  else mount_at("tmpfs", "sys/fs/cgroup", hardened | MS_RDONLY, "mode=755");
  mount_at("mqueue", "dev/mqueue", hardened, NULL);
  mount_at("tmpfs", "dev/shm", hardened, "mode=1777,size=65536k");
}

static void make_devices(void) {
  static const struct { const char *path; int major, minor; } nodes[] = {
      {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"},
      {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}};
  umask(0);
  for (size_t i = 0; i < COUNT(nodes); i++) CHECK(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
  for (size_t i = 0; i < COUNT(links); i++) CHECK(symlink(links[i][0], links[i][1]));
  umask(022);
}

static void enter_root(void) {
  CHECK(syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
}

static void hide_paths(void) {
  static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  static const char *const masked[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
      "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
      "/sys/devices/virtual/powercap"};
  for (size_t i = 0; i < COUNT(read_only); i++) {
    if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0 && errno == ENOENT) continue;
    CHECK(mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  }
  for (size_t i = 0; i < COUNT(masked); i++) {
    if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    CHECK(errno == ENOTDIR ? mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0k") : -1);
  }
}

static void drop_capabilities(void) {
  const uint64_t keep = 0xa80425fb; // the 14 that Docker keeps
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{(uint32_t)keep, (uint32_t)keep, 0}, {keep >> 32, keep >> 32, 0}};
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    if (!(keep >> cap & 1)) CHECK(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
  CHECK(syscall(SYS_capset, &header, data));
  CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

// A binary search over ranges of system call numbers, the size of a real default profile.
enum { RANGES = 40, WIDTH = 12 };
static struct sock_filter filter[4 * RANGES + 8];
static unsigned filter_length;

static unsigned emit(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k) {
  filter[filter_length] = (struct sock_filter){code, jt, jf, k};
  return filter_length++;
}

static void search(uint32_t from, uint32_t to) {
  if (to - from == 1) {
    // One range in ten belongs to calls that a profile refuses, all above those that any program needs.
    emit(BPF_RET | BPF_K, 0, 0, from % 10 == 9 && from > 36 ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
    return;
  }
  uint32_t middle = (from + to) / 2;
  unsigned branch = emit(BPF_JMP | BPF_JGE | BPF_K, 0, 0, middle * WIDTH);
  search(from, middle);
  filter[branch].jt = (uint8_t)(filter_length - branch - 1);
  search(middle, to);
}

static void load_seccomp(void) {
#ifdef __x86_64__
  const uint32_t arch = AUDIT_ARCH_X86_64;
#else
  const uint32_t arch = AUDIT_ARCH_AARCH64;
#endif
  emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
  emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch);
  emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
  emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
  search(0, RANGES);
  struct sock_fprog program = {(unsigned short)filter_length, filter};
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static _Noreturn void container(const struct job *job) {
  const struct rlimit files = {1024, 1024};

  CHECK(setsid());
  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "floor");
  mount_root(job);
  mount_file_systems();
  make_devices();
  enter_root();
  hide_paths();
  CHECK(sethostname("floor", 5));
  CHECK(setrlimit(RLIMIT_NOFILE, &files));
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  drop_capabilities();
  load_seccomp();
  CHECK(syscall(SYS_close_range, 3, ~0u, 0));
  execve(job->argv[0], job->argv, (char *[]){"PATH=/usr/bin:/bin", NULL});
  err(127, "floor: %s", job->argv[0]);
}
