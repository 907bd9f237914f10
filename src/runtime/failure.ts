/** A failed op → a message for the user: what was tried, on what, what the kernel said, and what to do about it. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { CLONE_NEWTIME, IPPROTO_UDP } from '../kernel/constants.ts';
import { describeOp } from '../kernel/describe.ts';
import type { Op } from '../kernel/ops.ts';
import type { Failure } from '../kernel/report.ts';
import {
  EXIT_ENGINE,
  EXIT_NOT_EXECUTABLE,
  EXIT_NOT_FOUND,
  escapeForTerminal,
  TsrunError,
} from '../lib/errors.ts';
import { NODE } from '../mounts/plan-devices.ts';
import { explainCgroup } from './cgroup-failure.ts';
import { findPortHolder } from './port-holder.ts';

export interface Explanation {
  readonly message: string;
  readonly hint?: string;
  readonly exitCode?: number;
}

/** `tried` begins the message. */
export function failureToError(failure: Failure, tried = 'Cannot start the container'): TsrunError {
  const name = errnoName(failure.errno);
  const known = explainCgroup(failure.op, name, failure.detail) ?? explain(failure.op, name, failure.detail);
  const { message, hint, exitCode } = known ?? general(failure, name);
  // Names in it are the image's or the container's: none of them may steer the terminal of the reader.
  const code = failure.op.op === 'run_hook' ? 'HOOK_FAILED' : 'START_FAILED';
  return new TsrunError(code, escapeForTerminal(`${tried}: ${message}`), {
    exitCode: exitCode ?? EXIT_ENGINE,
    ...(hint === undefined ? {} : { hint }),
  });
}

function general({ op, errno, detail }: Failure, name: string): Explanation {
  const said = detail === '' ? '' : ` (${detail})`;
  return { message: `${describeOp(op)}: ${name}: ${errnoText(errno)}${said}` };
}

function explain(op: Op, errno: string, detail: string): Explanation | undefined {
  switch (op.op) {
    case 'execve':
      return explainExec(op.args[0] ?? '', errno, detail);
    case 'chdir':
    case 'enter':
    case 'ensure':
      return explainPlace(op, errno, detail);
    case 'clone3':
      return explainClone(errno);
    case 'fsconfig':
      return op.key === '' && detail === ''
        ? { message: `the file system could not be made: ${errno}` }
        : undefined;
    case 'netlink':
      return explainNetlink(`${op.what}`, errno, detail);
    case 'open_process':
      return errno === 'ESRCH' ? { message: 'the container whose namespace it shares has ended' } : undefined;
    case 'open_pidfd':
      return errno === 'ESRCH' ? { message: 'the container has ended' } : undefined;
    case 'unshare':
      return errno === 'EINVAL' && op.flags === CLONE_NEWTIME
        ? { message: 'this kernel has no time namespaces', hint: 'use a kernel with CONFIG_TIME_NS' }
        : undefined;
    case 'check_device':
      return op.fd.startsWith(NODE)
        ? {
            message: `the image has a file ${op.fd.slice(NODE.length)} where the device should be: ${errno}`,
            hint: 'take it out of the image, or mount a tmpfs on /dev',
          }
        : undefined;
    case 'open_tree':
      return errno === 'ENOENT' ? { message: `the mount source ${op.path} does not exist` } : undefined;
    case 'write':
      return explainWrite(op, errno);
    case 'reserve_port':
    case 'proxy_port':
      return explainPort(op, errno);
    case 'run_hook':
      return { message: `error running hook ${op.path}: ${detail === '' ? errno : detail}` };
    case 'find_program':
      return explainExec(`${op.program}`, errno, detail);
    case 'connect_unix':
      return {
        message: `failed to connect with seccomp agent specified in the seccomp profile, ${op.path}: ${errno}`,
        hint: 'start the supervisor of system calls first, or correct linux.seccomp.listenerPath',
      };
    case 'hand_over':
      return {
        message: `nobody takes the terminal at ${op.path}: ${errno}`,
        hint: 'somebody must listen at the console socket',
      };
    case 'seccomp':
      return errno === 'EACCES'
        ? {
            message: 'the system call filter was refused: EACCES',
            hint: 'use --security-opt no-new-privileges, or keep CAP_SYS_ADMIN',
          }
        : undefined;
    default:
      return undefined;
  }
}

/** In the words of runc and Docker, which engines look for. */
function explainExec(command: string, errno: string, detail: string): Explanation {
  const shown = `exec: ${JSON.stringify(command)}`;
  const inPath = !command.includes('/');
  switch (errno) {
    case 'ENOENT':
      return {
        message: inPath
          ? `${shown}: executable file not found in $PATH`
          : `${shown}: no such file or directory`,
        hint: inPath
          ? 'the image has no such program; name another one, or give its full path'
          : 'the file is missing in the image, or the interpreter or loader that it names is',
        exitCode: EXIT_NOT_FOUND,
      };
    case 'ENOTDIR':
      return {
        message: `${shown}: not a directory`,
        hint: 'a part of the path is a file',
        exitCode: EXIT_NOT_FOUND,
      };
    case 'EACCES':
      return {
        message: `${shown}: permission denied`,
        hint: 'it is a directory, or its execute permission is missing for this user',
        exitCode: EXIT_NOT_EXECUTABLE,
      };
    case 'ENOEXEC':
      return {
        message: `${shown}: exec format error`,
        hint: 'the program is for another architecture, or a script without a #! line',
        exitCode: EXIT_NOT_EXECUTABLE,
      };
    default:
      return { message: `${shown}: ${errno} (${detail})`, exitCode: EXIT_NOT_EXECUTABLE };
  }
}

function explainPlace(
  op: Op & { op: 'chdir' | 'enter' | 'ensure' },
  errno: string,
  detail: string,
): Explanation | undefined {
  const path = op.op === 'ensure' ? `/${op.path}` : op.path;
  switch (errno) {
    case 'ENOTDIR':
      return {
        message: `${path} is not a directory: /${detail} is a file`,
        hint: 'use a directory of the image, or a path that does not exist yet',
      };
    case 'EISDIR':
      return { message: `${path} is a directory, but what is mounted there is a file` };
    case 'ELOOP':
      return {
        message: `${path} leads through a symbolic link that is not followed here: it must be mounted on ordinary directory`,
        hint: 'the image has a link where a plain directory or file is needed',
      };
    case 'EACCES':
      return { message: `the user of the container may not enter ${path}` };
    case 'ENOENT':
    case 'EROFS':
    case 'EPERM':
      return {
        message: `${path} is not there and cannot be made: ${errno}`,
        hint: 'use a directory that the image has, or one below a directory that can be written',
      };
    default:
      return undefined;
  }
}

function explainWrite(op: Op & { op: 'write' }, errno: string): Explanation | undefined {
  if (op.at === 'child-proc' && op.path === 'oom_score_adj' && errno === 'EACCES') {
    return {
      message: `the OOM score cannot be set to ${Buffer.from(op.data)}: EACCES`,
      hint: 'root lacks CAP_SYS_RESOURCE on this host, and may only raise the score: give --oom-score-adj a higher value',
    };
  }
  if (op.at !== 'proc') return undefined;
  const sysctl = `${op.path}`.replace(/^sys\//, '').replaceAll('/', '.');
  return errno === 'ENOENT'
    ? { message: `this kernel has no sysctl ${sysctl}`, hint: 'correct the name after --sysctl' }
    : {
        message: `the kernel refuses the value ${JSON.stringify(`${Buffer.from(op.data)}`)} for the sysctl ${sysctl}: ${errno}`,
      };
}

function explainNetlink(what: string, errno: string, detail: string): Explanation {
  const said = detail === '' ? errno : `${errno} (${detail})`;
  const hint = NETLINK_HINTS[errno];
  return { message: `${what} could not be made: ${said}`, ...(hint === undefined ? {} : { hint }) };
}

const NETLINK_HINTS: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'this kernel has no bridges or no veth links: load the modules bridge and veth',
  EPERM: 'run as root; inside a container, allow it with --cap-add NET_ADMIN',
};

function explainPort(
  { protocol, address, port }: Op & { op: 'reserve_port' | 'proxy_port' },
  errno: string,
): Explanation | undefined {
  const name = Number(protocol) === IPPROTO_UDP ? 'udp' : 'tcp';
  const where = `${name} port ${port} of ${address}`;
  switch (errno) {
    case 'EADDRINUSE': {
      const holder = findPortHolder(name, Number(port));
      const by = holder === undefined ? '' : ` by ${holder.command} (process ${holder.pid})`;
      return {
        message: `${where} is in use${by}`,
        hint: 'end what uses it, choose another port of the host, or leave it out to get one that is free',
      };
    }
    case 'EADDRNOTAVAIL':
      return {
        message: `${where} cannot be published: no interface of this host has the address`,
        hint: 'ip address shows the addresses there are',
      };
    default:
      return undefined;
  }
}

function explainClone(errno: string): Explanation | undefined {
  switch (errno) {
    case 'EPERM':
      return {
        message: 'clone3: EPERM: this process may not make namespaces',
        hint: 'run as root; inside a container, allow namespaces with --privileged',
      };
    case 'ENOSPC':
      return {
        message: 'clone3: ENOSPC: there are too many namespaces',
        hint: 'raise the limits in /proc/sys/user',
      };
    case 'EAGAIN':
      return {
        message: 'clone3: EAGAIN: there are too many processes',
        hint: 'raise the pids limit of the cgroup or RLIMIT_NPROC',
      };
    default:
      return undefined;
  }
}

export function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
}

function errnoText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? 'unknown error';
}
