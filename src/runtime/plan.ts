/**
 * spec → plan: the table of contents of a container. Domain folders say what each part needs; this file says in
 * which order the kernel wants it, and why.
 */
import type { CgroupHost, CgroupManager } from '../cgroup/host.ts';
import { MANAGERS } from '../cgroup/managers.ts';
import * as K from '../kernel/constants.ts';
import type { Op, OpGroup, Plan } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { type BindContext, isSlaveBind, type SourceType } from '../mounts/plan-binds.ts';
import { planDevices } from '../mounts/plan-devices.ts';
import { planMaskedPaths, planReadonlyPaths } from '../mounts/plan-masks.ts';
import { planMount, planMounts } from '../mounts/plan-mounts.ts';
import {
  type DirectoryRoot,
  planChroot,
  planPivot,
  planPropagation,
  planRootMount,
  planRootPropagation,
  planSharedRoot,
  type RootSource,
  receivesMounts,
} from '../mounts/plan-rootfs.ts';
import { planTerminal } from '../mounts/plan-terminal.ts';
import * as ns from '../namespaces/plan-namespaces.ts';
import type { Ipv6Host } from '../network/ipv6-host.ts';
import { planLoopback } from '../network/plan-loopback.ts';
import type { NetDevicesPlan } from '../network/plan-net-devices.ts';
import type { NetworkPlan } from '../network/plan-network.ts';
import { checkLabels, type SecurityModule } from '../security/plan-labels.ts';
import { type ContainerIdentity, chooseListener, planConnection } from '../security/plan-listener.ts';
import { planSysctls } from '../security/plan-sysctls.ts';
import type { SeccompProgram } from '../security/seccomp-compile.ts';
import { sysctlNamespaces } from '../security/sysctls.ts';
import type { MountSpec, RuntimeSpec } from '../spec/runtime.ts';
import { cgroupMounts } from './cgroup-mounts.ts';
import { group } from './op-group.ts';
import { planDelegation } from './plan-delegation.ts';
import {
  type HookStates,
  type NotifySockets,
  planConsole,
  planHooks,
  planHooksBeforePivot,
  planLeave,
  planNotify,
  planPoststart,
  planStartSocket,
  planWait,
} from './plan-detached.ts';
import { endWithHelper, planKeyring, planProgram } from './plan-program.ts';
import { planOomScore, planScheduling } from './plan-scheduling.ts';
import {
  planExitRecord,
  planPidRecord,
  planRemoval,
  planStateFiles,
  recordsExit,
  type StateFiles,
} from './plan-state.ts';

/** What the host can do; read once, given as data, so that a plan can be made for any host. */
export interface HostFacts {
  readonly cgroup: CgroupHost;
  /** The capabilities that a child of this process can have at all. */
  readonly boundingCapabilities: bigint;
  readonly arch: 'x86_64' | 'aarch64';
  readonly ipv6: Ipv6Host;
  /** The files of a cgroup that go with it to whom it is handed. */
  readonly delegatedCgroupFiles: readonly string[];
  /** Those that programs can be held by. */
  readonly securityModules: readonly SecurityModule[];
}

export interface PlanInput {
  readonly spec: RuntimeSpec;
  /** Says also how `cgroupsPath` is read. */
  readonly cgroupManager: CgroupManager;
  readonly root: RootSource;
  readonly state: StateFiles | undefined;
  /**
   * Left out: the network namespace has a loopback only, or is one that exists already. Planning is the caller's, who loads the
   * code for it only then.
   */
  readonly network?: NetworkPlan | undefined;
  /** Whose namespaces are joined, for those that the specification gives by the path of a process. */
  readonly joined?: ns.JoinedProcesses | undefined;
  /** Standard input and, with a terminal, what is typed goes to the program. */
  readonly interactive: boolean;
  /** The compiled system call filter; compiling is the caller's, who may have it already. */
  readonly seccomp: SeccompProgram | undefined;
  /** The interfaces that `linux.netDevices` names; left out, there are none. */
  readonly netDevices?: NetDevicesPlan | undefined;
  /** For the supervisor of its system calls; left out, there can be none. */
  readonly identity?: ContainerIdentity | undefined;
  readonly sourceType: SourceType;
  readonly reporter: readonly string[];
  /** Left out: the helper looks after the container, and takes it along when it is killed. */
  readonly detached?: Detachment | undefined;
  /** Receives the number of the container's first process, for other programs. */
  readonly pidFile?: HostPath | undefined;
  /** A unix socket whose listener takes the container's terminal; left out, the helper serves it. */
  readonly consoleSocket?: HostPath | undefined;
  readonly hooks?: HookStates | undefined;
  /** How many descriptors from 3 on the program inherits. */
  readonly keptDescriptors?: number | undefined;
  /** In v1 it gets a cgroup in every hierarchy: others will limit it, count it and freeze it later. */
  readonly everyCgroup?: boolean | undefined;
  /** They are not removed: others are in them. */
  readonly keepsCgroups?: boolean | undefined;
  /** Left out: nobody waits for its program to be ready. */
  readonly notify?: NotifySockets | undefined;
  /** It stays in the session keyring of the caller. */
  readonly keepsKeyring?: boolean | undefined;
}

/** The container goes on without the helper, as soon as its program runs, or while it waits to be started at START_SOCKET. */
export type Detachment = 'running' | 'waiting';

export function planContainer(input: PlanInput, host: HostFacts): Plan {
  const { spec, root } = input;
  const { linux, process } = spec;
  ns.checkNamespaces(spec);
  checkLabels(spec, host.securityModules);
  if (linux.seccomp !== undefined && input.seccomp === undefined) {
    throw new Error('the specification has a seccomp section, and nobody compiled it');
  }
  const ownMounts = ns.makesNamespace(linux, 'mount');
  const hostRoot = ns.hasNamespace(linux, 'mount') ? undefined : planSharedRoot(checkDirectory(root));
  if (linux.cgroupsPath === undefined) throw new Error('the specification does not say where its cgroup is');
  const cgroup = MANAGERS[input.cgroupManager].plan(
    host.cgroup,
    linux.cgroupsPath,
    linux.resources ?? {},
    input.everyCgroup ? 'all' : 'limited',
    spec.annotations,
  );
  const { links, rules } = input.network ?? {};
  const devices = input.netDevices;
  if (Object.keys(linux.netDevices ?? {}).length > 0 && devices === undefined)
    throw new Error('the specification has netDevices, and nobody looked at them');
  const specMounts = spec.mounts.flatMap((mount) =>
    cgroupMounts(mount, linux, host.cgroup, input.everyCgroup ?? false),
  );
  // Its own cgroups are not there yet.
  const ownCgroups = new Set(
    specMounts.filter((one) => !spec.mounts.includes(one)).map(({ source }) => source),
  );
  const context = bindContext(input, ownCgroups);
  const nodes = planDevices(linux.devices ?? [], spec.mounts, context.userNamespace);
  const sealed = specMounts.find(isReadOnlyDev);
  const mounts = planMounts(
    specMounts.map((one) => (one === sealed ? writable(one) : one)),
    context,
  );
  const listener = chooseListener(linux.seccomp, input.identity);
  const terminal = process.terminal;
  const waits = input.detached === 'waiting';
  const served = terminal && input.consoleSocket === undefined;
  const kept = input.keptDescriptors ?? 0;
  // Who deletes the container later removes what it has made.
  const staysBehind = input.everyCgroup && input.state?.remove === false;

  const groups: (OpGroup | undefined)[] = [
    // Removal stands first in the list because cleanup runs backwards: the record of the end comes before it.
    ...planRemoval(input.state),
    group('cleanup', 'Hooks outside, after the end', planHooks(input.hooks?.poststop)),
    group('cleanup', 'The end is recorded', planExitRecord(input.state)),
    group('host', 'Files that tell about the container', [
      ...planStateFiles(input.state),
      ...(waits ? [planStartSocket()] : []),
      ...planNotify(input.notify),
    ]),

    group('host', 'A cgroup to be born into', cgroup.before),
    group(staysBehind ? 'undo' : 'cleanup', 'The cgroup goes', input.keepsCgroups ? [] : cgroup.cleanup),
    group('cleanup', 'Has memory run out?', recordsExit(input.state) ? cgroup.count : []),
    // Rules come first: when the host begins to pass packets on, it is said which. They go before the addresses do.
    group('host', 'Rules for packets', rules?.before ?? []),
    group('host', 'The network, on the host', links?.before ?? []),
    group('cleanup', 'The addresses are given back', links?.cleanup ?? []),
    group('cleanup', 'Ports of the host lead nowhere', rules?.cleanup ?? []),
    group('host', 'Namespaces that are joined, not made', [
      ...(devices?.before ?? []),
      ...ns.planJoins(linux, input.joined, sysctlNamespaces(linux.sysctl ?? {})),
    ]),
    group('host', 'The root file system, among the mounts of the host', hostRoot?.before ?? []),
    group(staysBehind ? 'undo' : 'cleanup', 'The mounts of the container go', hostRoot?.undo ?? []),
    group('host', 'Files of the host that the container cannot get by itself', [
      ...mounts.before,
      ...nodes.before,
    ]),
    group('host', 'The supervisor of system calls', planConnection(listener)),
    group('host', 'Clocks', ns.planTimeNamespace(linux)),
    group('host', 'Standard input', planInput(input)),
    group('host', 'The clone: one call makes the process and its namespaces', [
      planClone(input, cgroup.bornInside),
    ]),

    // The child waits here until its parent has written what only the parent may write.
    group('child', 'The child waits for its parent', [
      {
        op: 'await_host',
        why: 'The child goes no further until its parent has written what a process may not write about itself.',
      },
    ]),
    // Whatever the child does and makes from here on is limited.
    group('host', 'A cgroup to be moved into', [
      ...cgroup.join,
      ...(recordsExit(input.state) ? cgroup.hold : []),
    ]),
    group('host', 'What only the parent may write', [
      { op: 'open_child_proc', into: 'child-proc', why: 'The files in /proc that belong to the child.' },
      ...ns.planIdMaps(linux),
      ...planOomScore(process.oomScoreAdj),
      ...planDelegation(spec, host),
      ...planPidRecord(input.state),
      { op: 'release_child', why: 'Everything is written: the child may go on.' },
    ]),
    // The child makes its mounts meanwhile.
    group('host', 'The network, seen from the host', [
      ...(links?.afterClone ?? []),
      ...(rules?.afterClone ?? []),
      ...(devices?.afterClone ?? []),
      ...(input.network === undefined && devices === undefined
        ? []
        : [{ op: 'release_child', why: 'The network is there: the child may use it.' } as const]),
    ]),

    group('child', 'A session of its own', [
      ...ns.planChildJoins(linux),
      ...ns.planBecomeRoot(linux),
      ...(input.detached === undefined
        ? [
            endWithHelper(
              'Should the helper be killed, the kernel ends the container: nobody would look after it any more.',
            ),
          ]
        : []),
      {
        op: 'setsid',
        why: 'A new session has no controlling terminal: a key such as Ctrl-C in the terminal of the host does not signal it.',
      },
      ...(input.keepsKeyring ? [] : [planKeyring()]),
      { op: 'umask', mask: 0, why: 'Modes of the files made below are exactly what is asked for.' },
    ]),
    group('child', 'The cgroup as a root of its own', ns.planCgroupNamespace(linux)),

    // Propagation is cut before the first mount, or that mount would appear on the host.
    group('child', 'The root file system', [
      ...(ownMounts ? planPropagation(context.childReceivesMounts) : []),
      ...(hostRoot === undefined
        ? planRootMount(root, context.childReceivesMounts && !context.receivesMounts)
        : []),
    ]),
    group('child', 'Mounts', mounts.child),
    // /dev must be mounted before there can be devices on it; the terminal comes from the devpts mounted above.
    group('child', 'Devices', nodes.child),
    group('child', 'The terminal', terminal ? planTerminal(process, spec.mounts, true) : []),
    group(
      'child',
      'A /dev that is complete, and read-only from here on',
      sealed === undefined ? [] : planMount(remounted(sealed), context, 'dev').child,
    ),
    group(
      'host',
      'The terminal, seen from the host',
      terminal
        ? [
            { op: 'receive_fd', into: 'terminal', why: 'The child sends the master of its terminal.' },
            ...planConsole(input.consoleSocket),
          ]
        : [],
    ),
    group('child', 'The network', [
      ...planLoopback(linux),
      ...(input.network === undefined && devices === undefined
        ? []
        : [
            {
              op: 'await_host',
              why: 'Its parent makes the interfaces: the program finds the network complete.',
            } as const,
          ]),
    ]),
    group('child', 'Names', ns.planNames(spec.hostname, spec.domainname)),
    // Sysctls are written through a procfs of this container's own, before it is made read-only.
    group('child', 'Kernel parameters', planSysctls(linux.sysctl ?? {}, spec.mounts, ns.namespacesOf(linux))),
    group('child', 'Paths that are hidden or read-only', [
      ...planMaskedPaths(linux.maskedPaths ?? []),
      ...planReadonlyPaths(linux.readonlyPaths ?? []),
    ]),
    ...planHooksBeforePivot(input.hooks),
    group('child', 'The working directory', [planWorkingDirectory(process.cwd)]),
    group('child', 'The change of root', [
      ...(ownMounts ? planPivot(spec.root.readonly ?? false) : planChroot(spec.root.readonly ?? false)),
      ...planRootPropagation(linux.rootfsPropagation),
    ]),

    group('child', 'How the kernel serves it', planScheduling(process, linux)),
    group('child', 'The container waits to be started', waits ? planWait(process) : []),
    group('host', 'The container is left to itself', planLeave(input)),

    ...planProgram(
      {
        ...input,
        process,
        keptDescriptors: kept,
        listener,
        procMounts: spec.mounts,
        lastHooks: planHooks(input.hooks?.startContainer),
      },
      host,
    ),
    group('host', 'Hooks outside, after the start', waits ? [] : planPoststart(input.hooks)),
  ];

  return {
    groups: groups.filter((g) => g !== undefined),
    monitor: {
      ...(served ? { terminal: 'terminal' } : {}),
      interactive: input.interactive,
      ...(input.detached === undefined ? {} : { leaves: input.detached }),
    },
    reporter: input.reporter,
  };
}

function planClone({ spec }: PlanInput, intoCgroup: boolean): Op {
  const made = spec.linux.namespaces.filter(
    (n) => n.path === undefined && n.type !== 'cgroup' && n.type !== 'time',
  );
  const userns = spec.linux.namespaces.find((n) => n.type === 'user')?.path;
  return {
    op: 'clone3',
    pidfd: 'child',
    flags: ns.cloneFlags(spec.linux),
    ...(intoCgroup ? { cgroup: 'cgroup' } : {}),
    ...(userns === undefined ? {} : { userns: 'user-namespace' }),
    why: `A new process${intoCgroup ? ', in its cgroup from the first moment' : ''}: ${made.map((n) => `${n.type} namespace (${ns.NAMESPACES[n.type].why})`).join('; ')}.`,
  };
}

function planInput({ spec, interactive }: PlanInput): readonly Op[] {
  if (spec.process.terminal || interactive) return [];
  return [
    {
      op: 'open',
      into: 'no-input',
      path: '/dev/null',
      flags: K.O_RDONLY,
      mode: 0,
      resolve: 0,
      why: "Without -i the program reads an empty input, not the caller's.",
    },
  ];
}

/** Its devices and its terminal have to be made first. */
function isReadOnlyDev({ destination, type, options }: MountSpec): boolean {
  return destination === '/dev' && type === 'tmpfs' && options?.includes('ro') === true;
}

function writable(mount: MountSpec): MountSpec {
  return { ...mount, options: mount.options?.filter((option) => option !== 'ro') ?? [] };
}

function remounted({ destination, options = [] }: MountSpec): MountSpec {
  return { destination, options: ['remount', 'bind', ...options] };
}

function checkDirectory(root: RootSource): DirectoryRoot {
  if (root.kind !== 'directory') throw new Error('a container of an image has a mount namespace');
  return root;
}

function bindContext(
  { spec: { linux, mounts }, sourceType }: PlanInput,
  directories: ReadonlySet<string | undefined>,
): BindContext {
  const { rootfsPropagation = 'private', uidMappings = [], gidMappings = [] } = linux;
  const own = { uidMappings, gidMappings };
  return {
    sourceType: (path) => (directories.has(path) ? 'directory' : sourceType(path)),
    userNamespace: ns.hasNamespace(linux, 'user')
      ? ns.makesNamespace(linux, 'user')
        ? own
        : 'joined'
      : undefined,
    receivesMounts: receivesMounts(rootfsPropagation),
    childReceivesMounts: receivesMounts(rootfsPropagation) || mounts.some(isSlaveBind),
    hasHostMounts: !ns.hasNamespace(linux, 'mount'),
  };
}

/** A missing directory is made, as Docker does for WORKDIR. */
function planWorkingDirectory(cwd: string): Op {
  return {
    op: 'ensure',
    into: 'target',
    at: 'rootfs',
    path: cwd.replace(/^\/+/, ''),
    type: K.S_IFDIR,
    mode: 0o755,
    resolve: K.RESOLVE_IN_ROOT + K.RESOLVE_NO_MAGICLINKS,
    why: 'The working directory must be a directory of the container; a missing one is made.',
  };
}
