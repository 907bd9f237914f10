/**
 * The vocabulary of plans. Each entry is one kernel operation: its number in an encoded plan, and its fields
 * with their kinds, in the order they are encoded. This table is the only place where numbers are given:
 * the TypeScript types below are derived from it, and native/plan-ops.gen.h is generated from it.
 *
 * Rules: a number is never given again; at most eight fields; an op whose input descriptor is absent (because
 * a tolerant op before it found nothing) is skipped.
 */

import type { DbusRequest } from './dbus.ts';
import type { NetlinkRequest } from './netlink.ts';

/** What a field holds, and how the executor checks it before the first op runs. */
export const FIELD_KINDS = {
  /** A named descriptor that must be open. */
  fd: 1,
  /** A named descriptor that this op opens (an open one of the same name is closed first). */
  into: 2,
  /** A named descriptor, or the current directory (AT_FDCWD) when left out. */
  at: 3,
  /** An unsigned 64-bit number. */
  u64: 4,
  /** Text without NUL bytes; a path is always relative to the descriptor before it. */
  str: 5,
  /** Any bytes. */
  bytes: 6,
  /** A list of strings (argv, envp). */
  strings: 7,
  /** A list of 32-bit numbers (groups). */
  u32s: 8,
  /** Messages for a netlink socket: netlink.ts. */
  netlink: 9,
  /** Calls of methods on D-Bus: dbus.ts. */
  dbus: 10,
} as const;

export const OPS = {
  // files, by descriptor
  open: {
    code: 1,
    fields: { into: 'into', at: 'at', path: 'str', flags: 'u64', mode: 'u64', resolve: 'u64' },
  },
  ensure: {
    code: 2,
    fields: { into: 'into', at: 'fd', path: 'str', type: 'u64', mode: 'u64', resolve: 'u64' },
  },
  mkdir: { code: 3, fields: { at: 'at', path: 'str', mode: 'u64' } },
  rmdir: { code: 4, fields: { at: 'at', path: 'str' } },
  unlink: { code: 5, fields: { at: 'at', path: 'str' } },
  remove_tree: { code: 6, fields: { at: 'at', path: 'str' } },
  symlink: { code: 7, fields: { target: 'str', at: 'at', path: 'str' } },
  mknod: { code: 8, fields: { at: 'at', path: 'str', mode: 'u64', dev: 'u64' } },
  chown: { code: 9, fields: { at: 'at', path: 'str', uid: 'u64', gid: 'u64' } },
  write: { code: 10, fields: { at: 'at', path: 'str', data: 'bytes' } },
  chmod: { code: 135, fields: { at: 'at', path: 'str', mode: 'u64' } },
  check_device: { code: 11, fields: { fd: 'fd', dev: 'u64' } },
  check_fs: { code: 12, fields: { fd: 'fd', magic: 'u64' } },
  fchdir: { code: 13, fields: { fd: 'fd' } },
  /** Done already when `enter` has succeeded. Both fail with ENOENT when the current directory is not below the root then. */
  chdir: { code: 14, fields: { path: 'str' } },
  /** The same below the directory `at`, before the change of user; one that this process may not enter is left to `chdir`. */
  enter: { code: 112, fields: { at: 'fd', path: 'str' } },
  dup: { code: 15, fields: { fd: 'fd', to: 'u64' } },
  close_from: { code: 16, fields: { first: 'u64' } },
  chown_stdio: { code: 17, fields: { uid: 'u64' } },

  // mounts
  fsopen: { code: 20, fields: { into: 'into', fstype: 'str' } },
  fsconfig: { code: 21, fields: { fs: 'fd', command: 'u64', key: 'str', value: 'str' } },
  fsmount: { code: 22, fields: { into: 'into', fs: 'fd', attributes: 'u64' } },
  open_tree: { code: 23, fields: { into: 'into', at: 'at', path: 'str', flags: 'u64' } },
  mount_setattr: {
    code: 24,
    fields: {
      at: 'at',
      path: 'str',
      flags: 'u64',
      set: 'u64',
      clear: 'u64',
      propagation: 'u64',
      userns: 'at',
    },
  },
  move_mount: { code: 25, fields: { from: 'fd', at: 'at', path: 'str' } },
  mount: { code: 26, fields: { source: 'str', target: 'str', fstype: 'str', flags: 'u64', data: 'str' } },
  umount: { code: 27, fields: { path: 'str', flags: 'u64' } },
  /** The mount whose root `fd` is, with all that is mounted below it. */
  detach: { code: 130, fields: { fd: 'fd' } },
  mask: { code: 28, fields: { at: 'fd', path: 'str', file: 'fd', directory: 'fd' } },
  pivot_root: { code: 29, fields: { newRoot: 'str', putOld: 'str' } },
  chroot: { code: 30, fields: { path: 'str' } },
  /** The file system that is mounted at a place, to be changed. fspick(2) */
  fspick: { code: 100, fields: { into: 'into', at: 'at', path: 'str' } },
  /** A user namespace with these maps and no process in it: what mount_setattr(2) takes the owners of an idmapped mount from. */
  make_userns: { code: 101, fields: { into: 'into', uidMap: 'str', gidMap: 'str' } },
  /** Copies what is in one directory into another, which is empty; other mounts below are not entered. */
  copy_tree: { code: 102, fields: { from: 'fd', to: 'fd' } },
  /** Gives a directory the permissions of another. */
  chmod_like: { code: 103, fields: { fd: 'fd', like: 'fd' } },

  // how the kernel serves the process
  /** `nice`: in two's complement of 32 bits. Times in nanoseconds. */
  sched_setattr: {
    code: 106,
    fields: {
      policy: 'u64',
      flags: 'u64',
      nice: 'u64',
      priority: 'u64',
      runtime: 'u64',
      deadline: 'u64',
      period: 'u64',
    },
  },
  ioprio_set: { code: 107, fields: { class: 'u64', level: 'u64' } },
  /** `nodes`, `cpus`: a bit for each, the lowest first, in words of 64 bits. */
  set_mempolicy: { code: 108, fields: { mode: 'u64', nodes: 'bytes' } },
  sched_setaffinity: { code: 109, fields: { cpus: 'bytes' } },

  // processes and namespaces
  clone3: { code: 40, fields: { pidfd: 'into', flags: 'u64', cgroup: 'at', userns: 'at' } },
  open_child_proc: { code: 41, fields: { into: 'into' } },
  release_child: { code: 42, fields: {} },
  await_host: { code: 43, fields: {} },
  send_fd: { code: 44, fields: { fd: 'fd' } },
  receive_fd: { code: 45, fields: { into: 'into' } },
  setns: { code: 46, fields: { fd: 'fd', type: 'u64' } },
  unshare: { code: 47, fields: { flags: 'u64' } },
  /** Fails with EEXIST when `namespace` is the one this process is in, which `own` names in /proc. */
  check_other_namespace: { code: 111, fields: { namespace: 'fd', own: 'str' } },
  setsid: { code: 48, fields: {} },
  sethostname: { code: 49, fields: { name: 'str' } },
  setdomainname: { code: 50, fields: { name: 'str' } },
  setrlimit: { code: 51, fields: { resource: 'u64', soft: 'u64', hard: 'u64' } },
  prctl: { code: 52, fields: { option: 'u64', arg2: 'u64', arg3: 'u64', arg4: 'u64', arg5: 'u64' } },
  personality: { code: 53, fields: { persona: 'u64' } },
  join_session_keyring: { code: 54, fields: { name: 'str' } },
  umask: { code: 55, fields: { mask: 'u64' } },
  execve: { code: 56, fields: { args: 'strings', env: 'strings' } },
  /** The directory of a process in /proc. ESRCH when the process that began at `started` (field 22 of stat) is gone. */
  open_process: { code: 57, fields: { into: 'into', pid: 'u64', started: 'u64' } },
  /** A pidfd of it, which becomes readable when the process ends: pidfd_open(2). ESRCH as above. */
  open_pidfd: { code: 58, fields: { into: 'into', pid: 'u64', started: 'u64' } },

  // credentials
  drop_bounding: { code: 60, fields: { keep: 'u64' } },
  capset: { code: 61, fields: { effective: 'u64', permitted: 'u64', inheritable: 'u64' } },
  ambient: { code: 62, fields: { mask: 'u64' } },
  setgroups: { code: 63, fields: { groups: 'u32s' } },
  setresgid: { code: 64, fields: { gid: 'u64' } },
  setresuid: { code: 65, fields: { uid: 'u64' } },
  seccomp: { code: 66, fields: { flags: 'u64', program: 'bytes' } },
  /** A filter that asks a supervisor: its descriptor is sent over `socket` with `state`, which has the pid between its parts. */
  seccomp_notify: {
    code: 105,
    fields: { flags: 'u64', program: 'bytes', socket: 'fd', state: 'strings' },
  },
  /** A stream socket that is connected to the one at `path`. unix(7) */
  connect_unix: { code: 104, fields: { into: 'into', path: 'str' } },

  // terminals
  open_pty_peer: { code: 70, fields: { into: 'into', master: 'fd' } },
  set_controlling_tty: { code: 71, fields: { fd: 'fd' } },
  copy_winsize: { code: 72, fields: { fd: 'fd' } },
  /** In characters. */
  set_winsize: { code: 110, fields: { fd: 'fd', rows: 'u64', columns: 'u64' } },

  // network
  link_up: { code: 75, fields: { name: 'str' } },
  /** `netns`: the network namespace of the socket; left out, this process's own. */
  netlink_socket: { code: 76, fields: { into: 'into', protocol: 'u64', netns: 'at' } },
  /** `what` names for an error message what the request makes; it is not sent. */
  netlink: { code: 77, fields: { socket: 'fd', what: 'str', request: 'netlink' } },
  /**
   * Starts the DNS server of a container: at 127.0.0.11:`port` in `netns`, for the names in the leases below `networks` on the
   * networks of `container` (a container id); it passes other questions on to `upstreams` (addresses, up to three), from the
   * network namespace of the helper. It ends with the process of the pidfd `until`, or with the helper where that is left out.
   */
  dns: {
    code: 95,
    fields: { netns: 'fd', port: 'u64', networks: 'fd', container: 'str', upstreams: 'strings', until: 'at' },
  },
  /** Removes `path` if it is a link to the same file as `as`. */
  unlink_same: { code: 96, fields: { path: 'str', as: 'str' } },
  /** Deletes all flows that are answered to `request`, a dump of conntrack.ts. */
  delete_flows: { code: 79, fields: { socket: 'fd', request: 'netlink' } },
  /** Nobody else gets the port of the host for as long as the helper lives. `protocol`: IPPROTO_TCP or IPPROTO_UDP. */
  reserve_port: { code: 78, fields: { protocol: 'u64', address: 'str', port: 'u64' } },
  /** The same, and what arrives there is passed on once `start_proxy` has been run. */
  proxy_port: {
    code: 73,
    fields: { protocol: 'u64', address: 'str', port: 'u64', target: 'str', targetPort: 'u64' },
  },
  /** `root`: an empty directory, which is all that the proxy sees of the file system. */
  start_proxy: { code: 74, fields: { root: 'fd' } },

  // what remains on disk
  record_pid: { code: 80, fields: { at: 'at', path: 'str' } },
  record_exit: { code: 81, fields: { at: 'at', path: 'str' } },

  // cgroups
  join_cgroup: { code: 90, fields: { cgroup: 'fd' } },
  cgroup_device: { code: 91, fields: { cgroup: 'fd', program: 'bytes' } },
  /**
   * Makes a process in the cgroup that does nothing, and no signal but SIGKILL ends; it dies with the helper. One in a plan.
   */
  hold_cgroup: { code: 114, fields: { cgroup: 'fd' } },
  /** Ends that process, if there is one. */
  release_cgroup: { code: 115, fields: {} },
  count_oom_kills: { code: 92, fields: { at: 'fd', path: 'str' } },
  /**
   * Calls methods on the bus whose socket is `bus`; the last call starts a job of systemd, and this waits for its end. `unit`
   * names for an error message what the job is about; it is not sent.
   */
  systemd_job: { code: 93, fields: { bus: 'str', unit: 'str', request: 'dbus' } },

  // a container that is left to itself: tsrun-oci create
  /** A unix socket that listens at `path`; unix(7). */
  listen: { code: 120, fields: { into: 'into', at: 'fd', path: 'str' } },
  /** Waits for the one who starts the container to connect, and hands over plan and report. */
  await_start: { code: 121, fields: { socket: 'fd' } },
  tell_host: { code: 122, fields: {} },
  /** ECHILD when the child has ended instead of telling. */
  await_child: { code: 123, fields: {} },
  /**
   * Runs a program of the host, or in the child one of the container's, and waits for its end. Its standard input is the JSON
   * text `state`, the pid of the container, and `rest`; when that is empty, `state` alone. `timeout` in milliseconds, 0 for none.
   */
  run_hook: {
    code: 124,
    fields: { path: 'str', args: 'strings', env: 'strings', timeout: 'u64', state: 'str', rest: 'str' },
  },
  /** Sends a descriptor to whoever listens at the unix socket `path`, with `text` (SCM_RIGHTS; unix(7)). */
  hand_over: { code: 125, fields: { path: 'str', fd: 'fd', text: 'str' } },
  /** Looks for the program as execve will, along PATH in `env`, as far as that can be done before the change of user. */
  find_program: { code: 126, fields: { cwd: 'fd', program: 'str', env: 'strings' } },
  /** The number alone, for other programs; the file is there with all of its text or not at all. */
  write_pid_file: { code: 127, fields: { path: 'str' } },
  /** Looks in etc/passwd below `at` for the home directory of `uid`, which execve adds to its environment; `/` when nobody knows it. */
  find_home: { code: 129, fields: { at: 'fd', uid: 'u64' } },
  /** Until execve has succeeded in the child; the helper does so at the end in any case. */
  await_exec: { code: 128, fields: {} },
  /**
   * A notification socket at `path`, for sd_notify(3): the helper passes the first READY= on to the one at `host`, a path or `@` and an
   * abstract name. A helper that leaves the container to itself waits for it.
   */
  listen_notify: { code: 134, fields: { at: 'fd', path: 'str', host: 'str' } },

  // the log
  /** Standard error when `path` is empty. */
  open_log: { code: 132, fields: { into: 'into', path: 'str' } },
  /** A line: `before`, the time in UTC (RFC 3339), `behind`. */
  log: { code: 133, fields: { fd: 'fd', before: 'str', behind: 'str' } },
} as const satisfies Record<string, { code: number; fields: Record<string, keyof typeof FIELD_KINDS> }>;

export type OpName = keyof typeof OPS;

/** A descriptor's name in a plan: `rootfs`, `proc`, `cgroup` … The encoder turns names into table numbers. */
export type FdName = string;

interface FieldTypes {
  fd: FdName;
  into: FdName;
  at: FdName;
  u64: number | bigint;
  str: string | Uint8Array;
  bytes: Uint8Array | string;
  strings: readonly string[];
  u32s: readonly number[];
  /** Bytes: a request that was read back from an encoded plan. */
  netlink: NetlinkRequest | Uint8Array;
  dbus: DbusRequest | Uint8Array;
}
type FieldsOf<N extends OpName> = (typeof OPS)[N]['fields'];
type OptionalKeys<F> = { [K in keyof F]: F[K] extends 'at' ? K : never }[keyof F];
type Required_<F> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: FieldTypes[F[K] & keyof FieldTypes];
};
type Optional_<F> = { readonly [K in OptionalKeys<F>]?: FieldTypes[F[K] & keyof FieldTypes] };

/** Errors an op may meet without failing the start; it then leaves its descriptor absent. */
export const TOLERABLE = {
  ENOENT: 1,
  ENOTDIR: 2,
  EPERM: 4,
  EINVAL: 8,
  ENOSYS: 16,
  EEXIST: 32,
  ENOTTY: 64,
} as const;
export type Tolerable = keyof typeof TOLERABLE;

interface OpCommon<N extends OpName> {
  readonly op: N;
  /** One sentence for a learner: why a container needs this. */
  readonly why: string;
  readonly tolerate?: readonly Tolerable[];
}

export type OpOf<N extends OpName> = OpCommon<N> & Required_<FieldsOf<N>> & Optional_<FieldsOf<N>>;
export type Op = { [N in OpName]: OpOf<N> }[OpName];

/**
 * The process that runs a group of ops. `cleanup` and `undo` are run by the host process at the end, the last op
 * first: cleanup always, undo only when the start failed. Neither stops at an error.
 */
export type Who = 'host' | 'child' | 'cleanup' | 'undo';
export const WHO = { host: 0, child: 1, cleanup: 2, undo: 3 } as const satisfies Record<Who, number>;

/** Ops that belong together for a reader, run by one process. */
export interface OpGroup {
  readonly who: Who;
  readonly title: string;
  readonly ops: readonly Op[];
}

/** How the helper serves the container's terminal and signals once it runs. */
export interface MonitorOptions {
  /** The descriptor name of the terminal's master side, when the container has a terminal. */
  readonly terminal?: FdName;
  /** Copy the caller's standard input to the terminal. */
  readonly interactive: boolean;
  /** The helper ends, and leaves the container to itself, when its program runs, or when it waits to be started. */
  readonly leaves?: 'running' | 'waiting';
}

export interface Plan {
  readonly groups: readonly OpGroup[];
  readonly monitor: MonitorOptions;
  /** argv of the program the helper becomes when an op failed or a trace was asked for; empty: it exits. */
  readonly reporter: readonly string[];
}

/** The ops of a plan in order, each with its group; the index is the op's number in reports and traces. */
export function flattenPlan(plan: Plan): readonly { readonly op: Op; readonly group: OpGroup }[] {
  return plan.groups.flatMap((group) => group.ops.map((op) => ({ op, group })));
}
