/** Another program in a container that runs: a process is born in its cgroup, joins its namespaces, and becomes the program. */
import { basename } from 'node:path';
import type { ContainerCgroups } from '../cgroup/host.ts';
import * as K from '../kernel/constants.ts';
import type { Op, Plan } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { planChroot } from '../mounts/plan-rootfs.ts';
import { planTerminal } from '../mounts/plan-terminal.ts';
import * as ns from '../namespaces/plan-namespaces.ts';
import { checkLabels } from '../security/plan-labels.ts';
import { type ContainerIdentity, chooseListener, planConnection } from '../security/plan-listener.ts';
import type { SeccompProgram } from '../security/seccomp-compile.ts';
import type { LinuxSpec, ProcessSpec, RuntimeSpec } from '../spec/runtime.ts';
import { group } from './op-group.ts';
import type { HostFacts } from './plan.ts';
import { planConsole, planLeave } from './plan-detached.ts';
import { endWithHelper, planKeyring, planProgram } from './plan-program.ts';
import { planAffinity, planOomScore, planScheduling } from './plan-scheduling.ts';

export interface ExecInput {
  /** Of the container. */
  readonly spec: RuntimeSpec;
  readonly process: ProcessSpec;
  /** Its first process. */
  readonly container: ns.JoinedProcess;
  /** Where the program is put: those of the container, or below them. */
  readonly cgroups: ContainerCgroups;
  readonly seccomp: SeccompProgram | undefined;
  readonly identity: ContainerIdentity;
  /** Left out: the helper looks after the program. */
  readonly detached: 'running' | undefined;
  readonly pidFile: HostPath | undefined;
  readonly consoleSocket: HostPath | undefined;
  readonly keptDescriptors: number;
  readonly reporter: readonly string[];
}

export function planExec(input: ExecInput, host: HostFacts): Plan {
  const { spec, process, detached, consoleSocket, cgroups } = input;
  const linux = joinedLinux(spec.linux, input.container);
  checkLabels({ ...spec, process }, host.securityModules);
  const listener = chooseListener(spec.linux.seccomp, input.identity);
  const userNamespace = ns.hasNamespace(linux, 'user');
  // A root that was only changed to does not come with the mount namespace.
  const isChanged = !ns.makesNamespace(spec.linux, 'mount');
  const everyNamespace = Object.fromEntries(linux.namespaces.map(({ type }) => [type, input.container]));
  const groups = [
    group('host', 'The cgroup of the container', planCgroups(cgroups)),
    group('host', 'The supervisor of system calls', planConnection(listener)),
    group(
      'host',
      'Processors',
      planAffinity(process.execCPUAffinity?.initial, 'The processors it runs on until it is in the cgroup.'),
    ),
    group('host', 'The namespaces of the container', [
      ...(isChanged ? openRootOf(input.container) : []),
      ...ns.planJoins(linux, everyNamespace),
    ]),
    group('host', 'The clone: a process, and no namespace', [
      {
        op: 'clone3',
        pidfd: 'child',
        flags: 0,
        ...(cgroups.v2 === undefined ? {} : { cgroup: 'cgroup' }),
        ...(userNamespace ? { userns: 'user-namespace' } : {}),
        why: 'A new process, in the cgroup of the container from the first moment.',
      },
    ]),
    group('child', 'The child waits for its parent', [
      { op: 'await_host', why: 'What only its parent may write comes first.' },
    ]),
    group('host', 'What only the parent may write', [
      { op: 'open_child_proc', into: 'child-proc', why: 'The files in /proc that belong to the child.' },
      ...Object.keys(v1Directories(cgroups)).map(
        (name): Op => ({
          op: 'join_cgroup',
          cgroup: `${name}-cgroup`,
          why: 'clone3 cannot make a process in a v1 cgroup.',
        }),
      ),
      ...planOomScore(process.oomScoreAdj),
      { op: 'release_child', why: 'Everything is written: the child may go on.' },
    ]),
    group('child', 'Inside', [
      ...ns.planChildJoins(linux),
      ...ns.planBecomeRoot(linux),
      ...(detached === undefined ? [endWithHelper('Nobody would look after it without the helper.')] : []),
      { op: 'setsid', why: 'A new session has no controlling terminal.' },
      planKeyring(),
      ...(isChanged
        ? planChroot(false)
        : [
            {
              op: 'open',
              into: 'rootfs',
              path: '/',
              flags: K.O_PATH + K.O_DIRECTORY,
              mode: 0,
              resolve: 0,
              why: 'Joining the mount namespace has made its root the root of this process.',
            } as const,
          ]),
      ...(process.terminal ? planTerminal(process, spec.mounts, false) : []),
    ]),
    group(
      'host',
      'The terminal, seen from the host',
      process.terminal
        ? [
            { op: 'receive_fd', into: 'terminal', why: 'The child sends the master of its terminal.' },
            ...planConsole(consoleSocket),
          ]
        : [],
    ),
    group('host', 'The program is left to itself', planLeave(input)),
    group('child', 'How the kernel serves it', [
      ...planScheduling(process, spec.linux),
      ...planAffinity(
        process.execCPUAffinity?.final,
        'The processors it runs on, now that it is in the cgroup of the container.',
      ),
    ]),
    ...planProgram({ ...input, listener, procMounts: [], interactive: true }, host),
  ];
  return {
    groups: groups.filter((one) => one !== undefined),
    monitor: {
      ...(process.terminal && consoleSocket === undefined ? { terminal: 'terminal' } : {}),
      interactive: true,
      ...(detached === undefined ? {} : { leaves: detached }),
    },
    reporter: input.reporter,
  };
}

function openRootOf({ pid, started }: ns.JoinedProcess): readonly Op[] {
  return [
    {
      op: 'open_process',
      into: 'container-process',
      pid,
      started,
      why: 'The first process of the container, and not a later one that was given its number.',
    },
    {
      op: 'open',
      into: 'rootfs',
      at: 'container-process',
      path: 'root',
      flags: K.O_PATH + K.O_DIRECTORY,
      mode: 0,
      resolve: 0,
      why: 'The container has no mount namespace of its own: its root is a directory among the mounts of others.',
    },
  ];
}

/** What was made for the container is joined now; a namespace of the host's that it shares is this process's already. */
function joinedLinux(linux: LinuxSpec, { pid }: ns.JoinedProcess): LinuxSpec {
  return {
    ...linux,
    namespaces: linux.namespaces.map(({ type }) => ({
      type,
      path: `/proc/${pid}/ns/${ns.NAMESPACES[type].file}`,
    })),
  };
}

/** One name for each directory: some controllers share a hierarchy. */
function v1Directories({ v1 }: ContainerCgroups): Readonly<Record<string, HostPath>> {
  const names = new Map(Object.entries(v1).map(([name, directory]) => [directory, name]));
  return Object.fromEntries([...names].map(([directory, name]) => [name, directory]));
}

function planCgroups(cgroups: ContainerCgroups): readonly Op[] {
  const open = (into: string, path: HostPath): Op => ({
    op: 'open',
    into,
    path,
    flags: K.O_PATH + K.O_DIRECTORY,
    mode: 0,
    resolve: 0,
    why: `Its limits hold for the program too: ${basename(path)}.`,
  });
  return [
    ...(cgroups.v2 === undefined ? [] : [open('cgroup', cgroups.v2)]),
    ...Object.entries(v1Directories(cgroups)).map(([name, directory]) => open(`${name}-cgroup`, directory)),
  ];
}
