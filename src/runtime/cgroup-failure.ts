/** A failed op on a cgroup → what it means for a user. cgroups(7), Documentation/admin-guide/cgroup-v2.rst. */
import type { Op, OpOf } from '../kernel/ops.ts';
import type { Explanation } from './failure.ts';

/** Undefined for an op that is about something else. */
export function explainCgroup(op: Op, errno: string, detail: string): Explanation | undefined {
  switch (op.op) {
    case 'write':
      if (op.at === 'cgroups')
        return explainHandDown(
          `/${`${op.path}`.replace(/\/?cgroup\.subtree_control$/, '')}`,
          textOf(op),
          errno,
        );
      return op.at === 'cgroup' || op.at?.endsWith('-cgroup') ? explainLimit(op, errno) : undefined;
    case 'mkdir':
      return op.at === 'cgroups' || op.at?.endsWith('-cgroups') ? explainPlace(op, errno) : undefined;
    case 'systemd_job':
      return explainSystemd(op, errno, detail);
    case 'join_cgroup':
      return {
        message: `the container cannot join its cgroup${op.cgroup === 'cgroup' ? '' : ` for ${controllerOf(op.cgroup)}`}: ${errno}`,
        hint:
          errno === 'ENOSPC'
            ? 'the cgroup above has no processors or no memory nodes: write its cpuset.cpus and cpuset.mems first'
            : 'look at the cgroup above it: it may allow no more processes',
      };
    case 'cgroup_device':
      return {
        message: `the program that keeps devices from the container was refused: ${errno}`,
        hint:
          errno === 'EPERM'
            ? 'it needs CAP_BPF or CAP_SYS_ADMIN on the host; inside a container, run that one with --privileged'
            : 'use a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF, or run the container with --privileged',
      };
    default:
      return undefined;
  }
}

function explainSystemd({ bus, unit }: OpOf<'systemd_job'>, errno: string, detail: string): Explanation {
  if (detail === '')
    return {
      message: `systemd cannot be asked for the unit ${unit}: D-Bus at ${bus}: ${errno}`,
      hint:
        errno === 'ETIMEDOUT'
          ? 'it does not answer: systemctl list-jobs shows what it is busy with'
          : 'systemctl start dbus.socket, or use --cgroup-manager cgroupfs',
    };
  return {
    message: `systemd does not make the unit ${unit}: ${detail}`,
    hint:
      errno === 'EEXIST'
        ? `systemctl status ${unit} shows whose it is`
        : `journalctl -u ${unit} may say more`,
  };
}

/** `written`: to the file cgroup.subtree_control of the cgroup `parent`, such as `+memory +pids`. */
export function explainHandDown(parent: string, written: string, errno: string): Explanation {
  const controllers = written.replaceAll('+', '').replaceAll(' ', ', ');
  switch (errno) {
    case 'EBUSY':
      return {
        message: `the cgroup ${parent} cannot hand down ${controllers}: it has processes of its own, and cgroup v2 has none in inner nodes`,
        hint: `move them into a cgroup below it first, or name another one with --cgroup-parent; cat cgroup.procs in ${parent} lists them`,
      };
    case 'ENOENT':
      return {
        message: `the cgroup ${parent} cannot hand down ${controllers}: it does not have all of them itself`,
        hint: `look at its cgroup.controllers: the cgroup above must hand them down first`,
      };
    case 'ENOTSUP':
      return {
        message: `the cgroup ${parent} cannot hand down ${controllers}: it is a threaded one`,
        hint: 'name another cgroup with --cgroup-parent',
      };
    default:
      return {
        message: `the cgroup ${parent} cannot hand down ${controllers}: ${errno}`,
        hint: 'the file system of cgroups must be writable: inside a container, run that one with --privileged',
      };
  }
}

const HINTS: readonly (readonly [file: RegExp, errno: string, hint: string])[] = [
  [
    /rt_runtime/,
    'EINVAL',
    'the cgroup above it has too little realtime to give: look at its cpu.rt_runtime_us',
  ],
  [/rt_/, 'ENOENT', 'the kernel has no realtime groups (CONFIG_RT_GROUP_SCHED): leave out --cpu-rt-runtime'],
  [/io\.max|throttle/, 'ENODEV', 'name the whole disk, not a partition of it'],
  [
    /weight/,
    'ENOENT',
    'the kernel has no weights of disks (CONFIG_BLK_CGROUP_IOCOST; in v1 bfq): leave out --blkio-weight',
  ],
  [/swap|memsw/, 'ENOENT', 'the kernel does not count swap: leave out --memory-swap'],
  [/cpuset/, 'EACCES', 'the cgroup above it has not all of them: look at its cpuset.cpus and cpuset.mems'],
  [/cpuset/, 'EINVAL', 'the cgroup above it has not all of them: look at its cpuset.cpus and cpuset.mems'],
];

function explainLimit(op: OpOf<'write'>, errno: string): Explanation {
  const file = `${op.path}`;
  const hint = HINTS.find(([pattern, number]) => pattern.test(file) && number === errno)?.[2];
  return errno === 'ENOENT'
    ? {
        message: `this kernel has no ${file}: no such file or directory`,
        hint: hint ?? 'leave out the limit',
      }
    : {
        message: `the kernel refuses ${JSON.stringify(textOf(op))} for ${file}: ${errno}`,
        hint: hint ?? 'correct the limit',
      };
}

function explainPlace(op: OpOf<'mkdir'>, errno: string): Explanation {
  const hints: Readonly<Record<string, string>> = {
    EROFS: 'cgroups are mounted read-only here: inside a container, run that one with --privileged',
    EAGAIN:
      'the cgroup above it may have no more below it: look at its cgroup.max.descendants and cgroup.max.depth',
    ENOENT: 'the cgroup above it was removed meanwhile',
  };
  return {
    message: `the cgroup ${op.path} cannot be made: ${errno}`,
    hint: hints[errno] ?? 'root must be able to write to /sys/fs/cgroup',
  };
}

const textOf = (op: OpOf<'write'>) => `${Buffer.from(op.data)}`;
const controllerOf = (cgroup: string) => cgroup.replace(/-cgroup$/, '');
