/**
 * From a process in the right namespaces to the program: limits, streams, the filter, credentials, execve. The same for the first
 * program of a container and for one that is added to it.
 */
import * as K from '../kernel/constants.ts';
import type { Op, OpGroup } from '../kernel/ops.ts';
import { capabilityMask } from '../security/capabilities.ts';
import { planCredentials } from '../security/plan-credentials.ts';
import { planLabels } from '../security/plan-labels.ts';
import type { Listener } from '../security/plan-listener.ts';
import { planRlimits } from '../security/plan-rlimits.ts';
import { asksSupervisor, planSeccomp } from '../security/plan-seccomp.ts';
import type { SeccompProgram } from '../security/seccomp-compile.ts';
import type { MountSpec, ProcessSpec } from '../spec/runtime.ts';
import { group } from './op-group.ts';
import type { Detachment, HostFacts } from './plan.ts';

export interface ProgramInput {
  readonly process: ProcessSpec;
  readonly seccomp: SeccompProgram | undefined;
  /** Whom the filter asks; the descriptor `listener` is open then. */
  readonly listener: Listener | undefined;
  /** The mounts that this plan made: that of /proc has left `proc` open. */
  readonly procMounts: readonly MountSpec[];
  readonly interactive: boolean;
  /** Left out: it ends with the helper. */
  readonly detached?: Detachment | undefined;
  /** How many descriptors from 3 on it inherits. */
  readonly keptDescriptors: number;
  /** Run in its place just before it: with its rights, and with its filter. */
  readonly lastHooks?: readonly Op[] | undefined;
}

export function planProgram(input: ProgramInput, host: HostFacts): readonly (OpGroup | undefined)[] {
  const { process, keptDescriptors: kept, seccomp, listener } = input;
  const noNewPrivileges = process.noNewPrivileges ?? false;
  const filter = planSeccomp(seccomp, listener);
  const closing: Op = {
    op: 'close_from',
    first: 3 + kept,
    why: `No descriptor of the host goes in: the program gets 0 to ${2 + kept} (CVE-2024-21626).`,
  };
  const entering: Op = {
    op: 'chdir',
    path: process.cwd,
    why: 'Enters the working directory as the user of the program if root could not, and makes sure that it is inside (CVE-2024-21626).',
  };
  // A filter may know nothing of close_range(2), which is younger than many. The connection to a supervisor must be open yet.
  const closesFirst = !asksSupervisor(seccomp);
  return [
    group('child', 'The directories of the program, as root', [
      {
        op: 'enter',
        at: 'rootfs',
        path: process.cwd,
        why: 'Root may enter directories that the user of the program may not; a descriptor in /proc is none.',
      },
      ...planHome(process),
    ]),
    // A limit of open files may leave no room for another one: from here on none is opened.
    group('child', 'Limits of the process', [
      ...planLabels(process, input.procMounts, host.securityModules),
      ...planRlimits(process.rlimits ?? [], mayRaiseLimits(host)),
    ]),
    group('child', 'Standard input and output', planStdio(input)),
    // With no_new_privs a filter can be loaded without privilege, so it comes last; without it, loading needs
    // CAP_SYS_ADMIN and must come before the capabilities are given up.
    group(
      'child',
      'Descriptors, and the system call filter',
      noNewPrivileges ? [] : inOrder(closesFirst, [closing], filter),
    ),
    group('child', 'Credentials', planCredentials(process, host.boundingCapabilities)),
    group('child', 'At exec', [
      ...(noNewPrivileges ? planNoNewPrivileges() : []),
      ...(input.detached === undefined
        ? [endWithHelper('A change of user clears the parent-death signal, so it is set again.')]
        : []),
      {
        op: 'umask',
        mask: process.user.umask ?? 0o022,
        why: 'The file mode creation mask that programs expect.',
      },
      ...(noNewPrivileges ? inOrder(closesFirst, [closing, entering], filter) : [entering]),
      ...(input.lastHooks ?? []),
      {
        op: 'execve',
        args: process.args,
        env: hasHome(process) ? process.env : process.env.filter((variable) => variable !== 'HOME='),
        why: 'The program takes the place of this process: the container runs.',
      },
    ]),
  ];
}

/** An empty one is none: runc and crun look for another. */
function hasHome({ env }: ProcessSpec): boolean {
  return env.some((variable) => variable.startsWith('HOME=') && variable !== 'HOME=');
}

function planHome(process: ProcessSpec): readonly Op[] {
  if (hasHome(process)) return [];
  return [
    {
      op: 'find_home',
      at: 'rootfs',
      uid: process.user.uid,
      why: 'Programs look for the files of their user below HOME; the environment does not say where that is.',
    },
  ];
}

function inOrder(first: boolean, ops: readonly Op[], others: readonly Op[]): readonly Op[] {
  return first ? [...ops, ...others] : [...others, ...ops];
}

/** prctl(2) PR_SET_PDEATHSIG: cleared by a change of user, so it is set twice. */
export function endWithHelper(why: string): Op {
  return { op: 'prctl', option: K.PR_SET_PDEATHSIG, arg2: K.SIGKILL, arg3: 0, arg4: 0, arg5: 0, why };
}

function planStdio({ process, interactive }: ProgramInput): readonly Op[] {
  if (process.terminal) return [];
  const input: readonly Op[] = interactive
    ? []
    : [{ op: 'dup', fd: 'no-input', to: 0, why: 'Standard input is empty.' }];
  return [
    ...input,
    {
      op: 'chown_stdio',
      uid: process.user.uid,
      why: 'The program may open /dev/stdout again only when its user owns the pipe.',
    },
  ];
}

function mayRaiseLimits({ boundingCapabilities }: HostFacts): boolean {
  return (boundingCapabilities & capabilityMask(['CAP_SYS_RESOURCE'])) !== 0n;
}

function planNoNewPrivileges(): readonly Op[] {
  return [
    {
      op: 'prctl',
      option: K.PR_SET_NO_NEW_PRIVS,
      arg2: 1,
      arg3: 0,
      arg4: 0,
      arg5: 0,
      why: 'From here on no set-user-ID program gives more rights than the caller has.',
    },
  ];
}

/** session-keyring(7) */
export function planKeyring(): Op {
  return {
    op: 'join_session_keyring',
    name: 'tsrun',
    tolerate: ['ENOSYS', 'EPERM'],
    why: 'Keys of whoever started the container stay in their keyring.',
  };
}
