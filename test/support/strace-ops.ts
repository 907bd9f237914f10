/**
 * Which system calls an op of a plan is, as strace prints them. Most are one call; the composite ones are listed with
 * what they are made of. A call that is guarded may appear nowhere else.
 */
import type { OpName } from '../../src/kernel/ops.ts';

export interface Call {
  readonly name: string;
  /** Arguments and result, as strace shows them. */
  readonly text: string;
}

export interface TracedOp {
  readonly name: OpName;
  /** The line's call: `open(path="/x", flags=O_PATH) → x` */
  readonly text: string;
}

export interface Step {
  /** Any of these; architectures have different ones. */
  readonly calls: readonly string[];
  readonly times: 'once' | 'maybe' | 'any' | 'some';
  /** Of these calls, only those that belong to this op. */
  readonly only?: (call: Call, op: TracedOp) => boolean;
}

/**
 * The families whose every call must be in the plan: mounts, namespaces and processes, credentials and rights, and what
 * makes or opens files in a root. Reading, waiting, closing and memory are not among them.
 */
export const GUARDED: ReadonlySet<string> = new Set(
  `mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr
  clone clone3 fork vfork unshare setns setsid setpgid execve execveat personality
  sethostname setdomainname prlimit64 setrlimit umask keyctl add_key
  prctl seccomp capset setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
  openat2 mknod mknodat mkdir mkdirat symlink symlinkat chown lchown fchownat chdir fchdir dup2 dup3 close_range
  rmdir unlink unlinkat bpf ptrace swapon reboot init_module finit_module`.split(/\s+/),
);

/** Guarded calls that are the executor's own, with the reason for each. */
export const OWN_CALLS: readonly { readonly call: RegExp; readonly why: string }[] = [
  {
    call: /^prctl\(PR_SET_DUMPABLE, (SUID_DUMP_DISABLE|0)/,
    why: 'before it enters anything, the helper makes itself opaque to processes of a namespace that it joins (CVE-2016-9962)',
  },
];

const once = (...calls: readonly string[]): Step => ({ calls, times: 'once' });
const maybe = (...calls: readonly string[]): Step => ({ calls, times: 'maybe' });
const any = (calls: readonly string[], only?: Step['only']): Step => ({
  calls,
  times: 'any',
  ...(only && { only }),
});
const some = (calls: readonly string[], only?: Step['only']): Step => ({
  calls,
  times: 'some',
  ...(only && { only }),
});

const OPEN = ['openat2', 'openat', 'open'];
const STAT = ['fstat', 'newfstatat', 'statx'];
const begins = (pattern: RegExp) => (call: Call) => pattern.test(`${call.name}${call.text}`);

/** The path that openat2 or mkdirat was given, and the one of the op, of which the trace may show only both ends. */
const pathOf = (call: Call) => /^\([^"]*"([^"]*)"/.exec(call.text)?.[1] ?? '';
const opPath = (op: TracedOp) => /\bpath="([^"]*)"/.exec(op.text)?.[1] ?? '';
/** The root itself is opened as `.`. */
const ownPath = (call: Call, op: TracedOp) => {
  const path = opPath(op);
  return path === '' ? pathOf(call) === '.' : abbreviated(`"${path}"`).test(call.text);
};
/** ensure goes through its path component by component: a prefix of the path, or one component of it. */
const onTheWay = (call: Call, op: TracedOp) => {
  const [path, [known = '']] = [pathOf(call), opPath(op).split('…')];
  // The root of the tree; openat opens `.` for other ops.
  if (path === '.') return call.name === 'openat2';
  return known.startsWith(path) || path.startsWith(known) || known.split('/').includes(path);
};
/** Descriptors are shown with their paths, so that a call inside a tree names the tree. */
const inTree = (call: Call, op: TracedOp) => abbreviated(opPath(op), '(?=["/>])').test(call.text);

/** A text of which only both ends may be known. */
export function abbreviated(text: string, after = ''): RegExp {
  return new RegExp(
    `${text
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[^"]*')}${after}`,
  );
}

export const OP_CALLS: { readonly [N in OpName]: readonly Step[] } = {
  open: [{ ...once('openat2'), only: ownPath }],
  // The whole path is tried first; what is missing of it is made, and opened again.
  ensure: [
    { ...once('openat2'), only: ownPath },
    any(['openat2', 'mkdirat', 'openat', 'open'], onTheWay),
    once(...STAT),
  ],
  mkdir: [once('mkdirat', 'mkdir')],
  rmdir: [
    some(
      ['unlinkat', 'rmdir'],
      (call, op) => /AT_REMOVEDIR|^rmdir/.test(`${call.name}${call.text}`) && ownPath(call, op),
    ),
  ],
  unlink: [once('unlinkat', 'unlink')],
  // Each entry of a tree: unlinkat, and for directories their listing before that.
  unlink_same: [some([...STAT, 'lstat']), maybe('unlinkat', 'unlink')],
  remove_tree: [some(['unlinkat', 'openat2', 'openat', 'getdents64'], inTree)],
  symlink: [once('symlinkat', 'symlink')],
  // A node that is there already is looked at.
  mknod: [once('mknodat', 'mknod'), any(STAT)],
  chown: [once('fchownat', 'fchown')],
  chmod: [once('fchmodat', 'chmod', 'fchmod')],
  write: [once(...OPEN), once('write')],
  check_device: [once(...STAT)],
  check_fs: [once('fstatfs')],
  fchdir: [once('fchdir')],
  // Done already, nearly always.
  chdir: [maybe('chdir'), maybe('getcwd')],
  enter: [{ ...once('openat2'), only: ownPath }, once('fchdir'), maybe('getcwd'), maybe('close')],
  dup: [once('dup2', 'dup3')],
  // The descriptor that reports back lies between the two ranges.
  close_from: [{ calls: ['close_range'], times: 'some' }],
  chown_stdio: [some(STAT), any(['fchown'])],

  fsopen: [once('fsopen')],
  fsconfig: [once('fsconfig')],
  fsmount: [once('fsmount')],
  open_tree: [once('open_tree')],
  mount_setattr: [once('mount_setattr')],
  move_mount: [once('move_mount')],
  mount: [once('mount')],
  umount: [once('umount2')],
  detach: [once('umount2')],
  // A path that is not there is only looked for.
  mask: [{ ...once('openat2'), only: ownPath }, maybe(...STAT), maybe('open_tree'), maybe('move_mount')],
  pivot_root: [once('pivot_root')],
  chroot: [once('chroot')],
  fspick: [once('fspick')],
  make_userns: [once('pipe2'), once('clone'), some(OPEN), some(['write', 'close', 'wait4'])],
  copy_tree: [some([...OPEN, 'getdents64', 'close', 'fcntl', 'dup', ...STAT])],
  chmod_like: [once(...STAT), once(...OPEN), once('fchmod'), maybe('close')],

  clone3: [once('clone3')],
  open_child_proc: [once('open', 'openat')],
  open_process: [once('open', 'openat'), once('open', 'openat'), once('read')],
  open_pidfd: [once('pidfd_open'), once('open', 'openat'), once('read')],
  release_child: [once('sendto')],
  await_host: [once('recvfrom')],
  send_fd: [once('sendmsg')],
  receive_fd: [once('recvmsg')],
  setns: [once('setns')],
  unshare: [once('unshare')],
  check_other_namespace: [once(...STAT), once(...STAT, 'stat')],
  setsid: [once('setsid')],
  sethostname: [once('sethostname')],
  setdomainname: [once('setdomainname')],
  // What the host does not allow is asked for, and clamped: set, read, set again.
  setrlimit: [some(['prlimit64'])],
  prctl: [{ calls: ['prctl'], times: 'once' }],
  personality: [once('personality')],
  join_session_keyring: [once('keyctl')],
  umask: [once('umask')],
  // A name without a slash is tried in each directory of PATH.
  execve: [some(['execve'])],

  drop_bounding: [some(['prctl'], begins(/^prctl\(PR_CAPBSET_DROP,/))],
  capset: [once('capset')],
  ambient: [some(['prctl'], begins(/^prctl\(PR_CAP_AMBIENT,/))],
  setgroups: [once('setgroups')],
  setresgid: [once('setresgid')],
  setresuid: [once('setresuid')],
  seccomp: [once('seccomp')],
  seccomp_notify: [once('mmap'), once('rt_sigaction'), once('clone'), once('seccomp')],
  connect_unix: [once(...OPEN), once('socket'), once('connect')],

  sched_setattr: [once('sched_setattr')],
  ioprio_set: [once('ioprio_set')],
  set_mempolicy: [once('set_mempolicy')],
  sched_setaffinity: [once('sched_setaffinity')],

  open_pty_peer: [once('ioctl'), once('ioctl')],
  set_controlling_tty: [once('ioctl')],
  set_winsize: [once('ioctl')],
  copy_winsize: [some(['ioctl'], begins(/TIOC[GS]WINSZ|TCGETS/))],

  link_up: [once('socket'), once('ioctl'), once('ioctl')],
  // In another namespace: this one is remembered, and come back to.
  netlink_socket: [
    maybe('open', 'openat'),
    maybe('setns'),
    once('socket'),
    once('setsockopt'),
    once('setsockopt'),
    once('setsockopt'),
    maybe('setns'),
  ],
  // Two sockets in the other namespace, then a process; what that one gives up is its own.
  dns: [
    once('open', 'openat'),
    once('setns'),
    some(['socket', 'setsockopt', 'bind', 'listen']),
    once('setns'),
    once('pipe2'),
    once('fork', 'clone'),
    once('read'),
  ],
  // The dump, then each of the flows that it found.
  delete_flows: [some(['setsockopt', 'sendto', 'recvfrom'])],
  // UDP only binds.
  reserve_port: [
    once('socket'),
    any(['setsockopt']),
    once('bind'),
    maybe('listen'),
    maybe('shutdown'),
    maybe('setsockopt'),
  ],
  proxy_port: [once('socket'), any(['setsockopt']), once('bind'), maybe('listen'), any(['setsockopt'])],
  start_proxy: [once('pipe2'), once('fork', 'clone'), once('close'), once('read'), once('close')],
  // Further answers, and a buffer that only root may enlarge, are passed over: they are not guarded.
  netlink: [{ ...once('setsockopt'), only: begins(/SO_SNDBUF/) }, once('sendto'), once('recvfrom', 'recv')],

  listen: [once('socket'), once('bind'), once('listen')],
  await_start: [once('accept4'), once('shutdown'), once('sendmsg')],
  tell_host: [once('sendto', 'send')],
  await_child: [once('recvfrom', 'recv')],
  await_exec: [some(['recvfrom', 'recv'])],
  // The program itself is another process.
  run_hook: [
    once('memfd_create'),
    some(['write', 'writev']),
    once('lseek'),
    once('pipe2'),
    once('fork', 'clone'),
    some(['close', 'munmap', 'pidfd_open', 'poll', 'read']),
    some(['wait4']),
  ],
  hand_over: [once(...OPEN), once('socket'), once('connect'), any(['close']), once('sendmsg')],
  find_program: [some(STAT)],
  open_log: [once('open', 'openat', 'fcntl')],
  log: [once('write')],
  listen_notify: [once('open', 'openat'), some(['socket', 'connect', 'bind', 'close'])],
  find_home: [once('openat2'), maybe(...STAT), any(['read', 'close'])],
  write_pid_file: [once('openat', 'open'), once('write'), once('renameat', 'renameat2', 'rename')],

  // The start time is read from /proc; the file appears whole, by renaming it.
  record_pid: [
    once('open', 'openat'),
    once('read'),
    once('openat'),
    once('write'),
    once('renameat', 'renameat2', 'rename'),
  ],
  count_oom_kills: [once('openat2'), once('read')],
  record_exit: [once('openat'), once('write'), once('renameat', 'renameat2', 'rename')],

  hold_cgroup: [once('clone3')],
  release_cgroup: [some(['kill', 'wait4'])],
  join_cgroup: [once('openat'), once('write')],
  // Which one is there, the new one, and its place.
  // Connect, say who we are, send the calls; then each answer: its header, and the rest of it.
  systemd_job: [
    once('socket'),
    some(['setsockopt']),
    once('connect'),
    some(['sendto']),
    some(['recvfrom']),
    any(['sendto', 'recvfrom', 'close']),
  ],
  cgroup_device: [once('bpf'), once('bpf'), once('bpf')],
};
