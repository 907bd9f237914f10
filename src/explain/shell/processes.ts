/** Ops that make and shape the process as commands of util-linux; what no command can do says so. */
import * as K from '../../kernel/constants.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';

type ProcessOps =
  | 'clone3'
  | 'open_child_proc'
  | 'open_process'
  | 'open_pidfd'
  | 'release_child'
  | 'await_host'
  | 'send_fd'
  | 'receive_fd'
  | 'setns'
  | 'unshare'
  | 'setsid'
  | 'sethostname'
  | 'setdomainname'
  | 'setrlimit'
  | 'prctl'
  | 'personality'
  | 'join_session_keyring'
  | 'umask'
  | 'execve'
  | 'open_pty_peer'
  | 'set_controlling_tty'
  | 'copy_winsize'
  | 'set_winsize'
  | 'check_other_namespace'
  | 'sched_setattr'
  | 'sched_setaffinity'
  | 'ioprio_set'
  | 'set_mempolicy'
  | 'connect_unix';

const NAMESPACES: readonly (readonly [flag: number, name: string])[] = [
  [K.CLONE_NEWUSER, 'user'],
  [K.CLONE_NEWNS, 'mount'],
  [K.CLONE_NEWPID, 'pid'],
  [K.CLONE_NEWNET, 'net'],
  [K.CLONE_NEWIPC, 'ipc'],
  [K.CLONE_NEWUTS, 'uts'],
  [K.CLONE_NEWCGROUP, 'cgroup'],
  [K.CLONE_NEWTIME, 'time'],
];

/** getrlimit(2), prlimit(1); the index is the kernel's number. */
const LIMITS =
  'cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime'.split(
    ' ',
  );
const UNLIMITED = 0xffffffffffffffffn;

export const PROCESSES: Translations<ProcessOps> = {
  clone3(op, sh) {
    const made = namespaceOptions(Number(op.flags));
    const keep = made.includes('--mount') ? ['--propagation', 'unchanged'] : [];
    if (op.userns !== undefined) sh.launch.nsenter.push(`--user=${sh.variable(op.userns)}`);
    // Until its ids are mapped, a process of a new user namespace would lose its capabilities at each exec.
    const capabilities = made.includes('--user') ? ['--keep-caps'] : [];
    const nsenter =
      sh.launch.nsenter.length === 0 ? [] : ['nsenter', ...sh.launch.nsenter, '--no-fork', '--'];
    const words = [
      ...nsenter,
      'unshare',
      '--fork',
      '--kill-child',
      ...keep,
      ...capabilities,
      ...sh.launch.flags,
      ...made,
    ];
    sh.line(
      'mkfifo -m 0600 -- "$WORK/up" "$WORK/down"',
      `${words.join(' ')} \\`,
      '  sh "$SELF" stage_1 <&9 9<&- 4>"$WORK/up" 5<"$WORK/down" &',
      'UNSHARE=$!',
      'exec 9<&- 3<"$WORK/up" 6>"$WORK/down"',
      "read -r CHILD <&3 || fail 'unshare could not make the process'",
    );
    sh.begin('stage_1');
    if (op.cgroup !== undefined) {
      sh.limit(
        'clone3',
        'a shell cannot clone into a cgroup: the process moves into it with its first step.',
      );
      sh.line(`echo 0 >${sh.variable(op.cgroup)}/cgroup.procs`);
    }
    sh.comment("The host's /proc is still here, and calls this process by the number the host knows it by.");
    sh.line('read -r pid rest </proc/self/stat', 'echo "$pid" >&4', 'exec 4>&-');
    sh.begin('host');
  },
  open_child_proc: (op, sh) => sh.assign(op.into, '/proc/"$CHILD"'),
  open_process(op, sh) {
    sh.line(
      `[ "$(sed 's/.*) //' /proc/${op.pid}/stat | cut -d ' ' -f 20)" = ${op.started} ] || fail 'process ${op.pid} has ended'`,
    );
    sh.assign(op.into, `/proc/${op.pid}`);
  },
  open_pidfd: (op, sh) => sh.impossible(op, 'it has no pidfd.'),
  release_child: (_op, sh) => sh.line('echo go >&6'),
  await_host: (_op, sh) => sh.line('read -r go <&5'),
  send_fd: (op, sh) => sh.impossible(op, 'it has no way to hand a descriptor to another process.'),
  receive_fd: (op, sh) => sh.impossible(op, 'it has no way to take a descriptor from another process.'),
  setns(op, sh) {
    const [, name = ''] = NAMESPACES.find(([flag]) => flag === Number(op.type)) ?? [];
    const option = `--${name}=${sh.variable(op.fd)}`;
    if (sh.functions.has('stage_1')) return sh.continueUnder(`nsenter ${option}`);
    sh.launch.nsenter.push(option);
    sh.comment('nsenter does it, when the process is made: a shell cannot enter a namespace itself.');
  },
  unshare(op, sh) {
    const options = namespaceOptions(Number(op.flags));
    if (sh.functions.has('stage_1')) return sh.continueUnder(`unshare ${options.join(' ')}`);
    sh.launch.flags.push(...options);
    sh.comment('It becomes one more flag of the unshare below.');
  },
  setsid: (_op, sh) => sh.continueUnder('setsid'),
  sethostname: (op, sh) => sh.line(`hostname -- ${quote(op.name)}`),
  setdomainname: (op, sh) => sh.line(`domainname -- ${quote(op.name)}`),
  setrlimit(op, sh) {
    const name = LIMITS[Number(op.resource)] ?? `${op.resource}`;
    sh.line(`limit ${name} ${limitText(op.soft)} ${limitText(op.hard)}`);
  },
  prctl(op, sh) {
    switch (Number(op.option)) {
      case K.PR_SET_PDEATHSIG:
        sh.comment('unshare --kill-child has done it, and setpriv does it again in the last command.');
        if (sh.inside) sh.last.setpriv.push('--pdeathsig KILL');
        return;
      case K.PR_SET_NO_NEW_PRIVS:
        sh.comment('setpriv does it, in the last command.');
        sh.last.setpriv.push('--no-new-privs');
        return;
      case K.PR_SET_KEEPCAPS:
        return sh.comment('setpriv takes care of it.');
      default:
        return sh.impossible(op, `there is no command for prctl ${op.option}.`);
    }
  },
  personality: (op, sh) =>
    sh.impossible(
      op,
      'setarch(8) can set a personality, but it is not among the tools put aside for the container.',
    ),
  join_session_keyring: (op, sh) =>
    sh.impossible(
      op,
      'util-linux has no command for keyrings (keyctl of keyutils has): this process keeps the keyring of its caller.',
    ),
  umask: (op, sh) => sh.line(`umask ${Number(op.mask).toString(8).padStart(4, '0')}`),
  execve(op, sh) {
    const env = op.env.filter((entry) => entry.indexOf('=') > 0);
    const [program = ''] = op.args;
    if (program.includes('=')) {
      sh.refuse('env would take a program with an equals sign in its name for a variable');
    }
    sh.comment(
      'setpriv takes the rights away, then env sets the signals, the directory and exactly this environment, and becomes the program. Both run from the directory of tools that no path leads to.',
    );
    sh.line(
      `exec ${TOOL}/setpriv \\`,
      ...sh.last.setpriv.map((option) => `  ${option} \\`),
      `  ${TOOL}/env --default-signal --ignore-environment --chdir=${sh.last.directory} -- \\`,
      ...env.map((entry) => `  ${quote(entry)} \\`),
      `  ${op.args.map(quote).join(' ')}`,
    );
  },
  open_pty_peer: (op, sh) =>
    sh.impossible(op, 'it cannot make a terminal. The program uses the one that this script was started in.'),
  set_controlling_tty: (op, sh) =>
    sh.impossible(op, 'setsid --ctty could, but the terminal is not a new one.'),
  copy_winsize: (op, sh) => sh.impossible(op, 'there is no new terminal to give a size to.'),
  set_winsize: (op, sh) => sh.impossible(op, 'there is no new terminal to give a size to.'),
  connect_unix: (op, sh) =>
    sh.impossible(op, 'no command of util-linux or coreutils speaks to a unix socket.'),
  check_other_namespace: (op, sh) => sh.line(`[ ! ${sh.variable(op.namespace)} -ef ${quote(op.own)} ]`),
  sched_setattr(op, sh) {
    const policy = ['other', 'fifo', 'rr', 'batch', '', 'idle', 'deadline'][Number(op.policy)] ?? 'other';
    const times =
      policy === 'deadline'
        ? ` --sched-runtime ${op.runtime} --sched-deadline ${op.deadline} --sched-period ${op.period}`
        : '';
    sh.line(`chrt --${policy}${times} --pid ${op.priority} $$`);
    if (Number(op.nice) !== 0) sh.line(`renice -n ${Number(op.nice) | 0} -p $$`);
  },
  sched_setaffinity: (op, sh) => sh.line(`taskset -p ${hexMask(op.cpus)} $$`),
  ioprio_set: (op, sh) => sh.line(`ionice -c ${op.class} -n ${op.level} -p $$`),
  set_mempolicy: (op, sh) => sh.impossible(op, 'numactl could, which is not in util-linux.'),
};

/** The tools were put aside with their loader and libraries: in the container there may be none. */
const TOOL = '"./$LOADER" --library-path . .';

function namespaceOptions(flags: number): readonly string[] {
  return NAMESPACES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => `--${name}`);
}

function limitText(value: number | bigint): string {
  return BigInt.asUintN(64, BigInt(value)) === UNLIMITED ? 'unlimited' : `${value}`;
}

/** A mask of bits, the lowest byte first, as taskset(1) reads it. */
function hexMask(bytes: Uint8Array | string): string {
  return `0x${Buffer.from(bytes)
    .reverse()
    .toString('hex')
    .replace(/^0+(?=.)/, '')}`;
}
