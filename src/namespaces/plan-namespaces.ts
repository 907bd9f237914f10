/** Namespaces: which are made, which are joined, and who is who inside a user namespace. namespaces(7). */

import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import type { IdMapping, LinuxSpec, NamespaceSpec, NamespaceType, RuntimeSpec } from '../spec/runtime.ts';

interface Kind {
  readonly flag: number;
  /** The name under /proc/PID/ns. */
  readonly file: string;
  readonly why: string;
}

export const NAMESPACES: Readonly<Record<NamespaceType, Kind>> = {
  user: { flag: K.CLONE_NEWUSER, file: 'user', why: 'root inside is an ordinary user outside' },
  mount: { flag: K.CLONE_NEWNS, file: 'mnt', why: 'mounts made inside are not seen outside' },
  pid: {
    flag: K.CLONE_NEWPID,
    file: 'pid',
    why: 'the first process inside is number 1 and sees no process of the host',
  },
  network: {
    flag: K.CLONE_NEWNET,
    file: 'net',
    why: 'it has its own interfaces, addresses, ports and firewall',
  },
  ipc: {
    flag: K.CLONE_NEWIPC,
    file: 'ipc',
    why: 'shared memory and message queues of the host cannot be reached',
  },
  uts: { flag: K.CLONE_NEWUTS, file: 'uts', why: 'it can have a host name of its own' },
  cgroup: {
    flag: K.CLONE_NEWCGROUP,
    file: 'cgroup',
    why: 'it sees its own cgroup as the root of all cgroups',
  },
  time: { flag: K.CLONE_NEWTIME, file: 'time', why: 'its monotonic and boot clocks can be shifted' },
};

/** The types that are given once to clone3. The other two cannot be: see planCgroupNamespace and planTimeNamespace. */
const AT_CLONE: readonly NamespaceType[] = ['user', 'mount', 'pid', 'network', 'ipc', 'uts'];

export function makesNamespace(linux: LinuxSpec, type: NamespaceType): boolean {
  return linux.namespaces.some((n) => n.type === type && n.path === undefined);
}

export function hasNamespace(linux: LinuxSpec, type: NamespaceType): boolean {
  return linux.namespaces.some((n) => n.type === type);
}

/** Those that are not the runtime's own, made or joined. */
export function namespacesOf(linux: LinuxSpec): Readonly<Record<NamespaceType, boolean>> {
  const has = (type: NamespaceType) => hasNamespace(linux, type);
  return {
    user: has('user'),
    mount: has('mount'),
    pid: has('pid'),
    network: has('network'),
    ipc: has('ipc'),
    uts: has('uts'),
    cgroup: has('cgroup'),
    time: has('time'),
  };
}

/**
 * Refuses what the kernel could not honour (a type given twice, maps without a user namespace, offsets without a time
 * one), and what it would do to the host instead: names without a namespace for them.
 */
export function checkNamespaces({ linux, hostname, domainname }: RuntimeSpec): void {
  const refuse = (message: string) => {
    throw new TsrunError('BAD_NAMESPACES', `Cannot plan the namespaces: ${message}`);
  };
  const types = linux.namespaces.map((n) => n.type);
  const twice = types.find((type, i) => types.indexOf(type) !== i);
  if (twice !== undefined) refuse(`the ${twice} namespace is given twice`);
  const mapped = (linux.uidMappings?.length ?? 0) + (linux.gidMappings?.length ?? 0) > 0;
  if (mapped && !makesNamespace(linux, 'user'))
    refuse('uidMappings and gidMappings need a new user namespace');
  if (makesNamespace(linux, 'user') && !(linux.uidMappings?.length && linux.gidMappings?.length)) {
    refuse('a new user namespace needs uidMappings and gidMappings');
  }
  if (linux.timeOffsets !== undefined && !makesNamespace(linux, 'time'))
    refuse('timeOffsets need a new time namespace');
  if (Object.keys(linux.netDevices ?? {}).length > 0 && !hasNamespace(linux, 'network'))
    refuse('netDevices need a network namespace to be moved to');
  if ((hostname !== undefined || domainname !== undefined) && !hasNamespace(linux, 'uts'))
    refuse('a hostname or domainname needs a uts namespace: it would be that of the host');
}

/** The flags of clone3: one bit for each new namespace. */
export function cloneFlags(linux: LinuxSpec): number {
  return AT_CLONE.filter((type) => makesNamespace(linux, type)).reduce(
    (flags, type) => flags + NAMESPACES[type].flag,
    0,
  );
}

/**
 * Opens the namespaces to join, and joins those that are joined before the clone. Here the host
 * process still has every right of the host's user namespace; after a user namespace was entered it could no longer join
 * what that one does not own. A pid namespace must be joined before: it only takes effect for children. `foreign`: those that
 * must not be the host's, for the container changes them.
 */
export function planJoins(
  linux: LinuxSpec,
  processes: JoinedProcesses = {},
  foreign: readonly NamespaceType[] = [],
): readonly Op[] {
  const joined = linux.namespaces.filter((n): n is NamespaceSpec & { path: string } => n.path !== undefined);
  const opens = joined.flatMap(({ type, path }) => openNamespace(type, path, processes[type]));
  const early = joined
    .filter(({ type }) => type !== 'user' && !JOINED_BY_CHILD.has(type))
    .map(({ type }) => join(type));
  const checks = joined.filter(({ type }) => foreign.includes(type)).map(({ type }) => checkForeign(type));
  return [...opens, ...checks, ...early];
}

function checkForeign(type: NamespaceType): Op {
  return {
    op: 'check_other_namespace',
    namespace: `${type}-namespace`,
    own: `/proc/self/ns/${NAMESPACES[type].file}`,
    why: `The container sets parameters of its ${type} namespace: that must not be the one of the host.`,
  };
}

/** One process for ever: its number, and its start time (field 22 of /proc/PID/stat). */
export interface JoinedProcess {
  readonly pid: number;
  readonly started: number | bigint;
}

export type JoinedProcesses = Readonly<Partial<Record<NamespaceType, JoinedProcess>>>;

function openNamespace(type: NamespaceType, path: string, process: JoinedProcess | undefined): readonly Op[] {
  const from = `${type}-process`;
  return [
    ...(process === undefined
      ? []
      : [
          {
            op: 'open_process',
            into: from,
            pid: process.pid,
            started: process.started,
            why: `The process whose ${type} namespace is joined, and not a later one that was given its number.`,
          } as const,
        ]),
    {
      op: 'open',
      into: `${type}-namespace`,
      ...(process === undefined ? {} : { at: from }),
      path: process === undefined ? path : `ns/${NAMESPACES[type].file}`,
      flags: K.O_RDONLY,
      mode: 0,
      resolve: 0,
      why: `The ${type} namespace at ${path} is joined, not made: an open file keeps it from vanishing meanwhile.`,
    },
  ];
}

/**
 * The mount namespace is joined in the child: the host process still needs the host's files for its cleanup. The cgroup
 * namespace too: with nsdelegate the kernel lets no process from inside make a child in a cgroup outside of it (ENOENT).
 */
const JOINED_BY_CHILD: ReadonlySet<NamespaceType> = new Set(['mount', 'cgroup']);

export function planChildJoins(linux: LinuxSpec): readonly Op[] {
  return linux.namespaces
    .filter((n) => JOINED_BY_CHILD.has(n.type) && n.path !== undefined)
    .map(({ type }) => join(type));
}

function join(type: NamespaceType): Op {
  return {
    op: 'setns',
    fd: `${type}-namespace`,
    type: NAMESPACES[type].flag,
    why: `Shares the ${type} namespace of another process.`,
  };
}

/**
 * The offsets of a time namespace must be written before the first process enters it, and clone3 would put the
 * child in at once. unshare makes the namespace for the children only, which leaves the moment that is needed.
 */
export function planTimeNamespace(linux: LinuxSpec): readonly Op[] {
  if (!makesNamespace(linux, 'time')) return [];
  const lines = Object.entries(linux.timeOffsets ?? {}).map(
    ([clock, o]) => `${clock} ${o.secs ?? 0} ${o.nanosecs ?? 0}\n`,
  );
  const unshare: Op = {
    op: 'unshare',
    flags: K.CLONE_NEWTIME,
    why: 'Makes a time namespace that the next child will be born into.',
  };
  if (lines.length === 0) return [unshare];
  return [
    unshare,
    {
      op: 'write',
      path: '/proc/self/timens_offsets',
      data: lines.join(''),
      why: 'Shifts the clocks of the new time namespace, which is possible only while no process is in it.',
    },
  ];
}

/**
 * The root of a cgroup namespace is the cgroup its maker is in. At clone3 that would be the cgroup of the host process, even with
 * CLONE_INTO_CGROUP, so the child makes it itself once it is where it belongs. cgroup_namespaces(7).
 */
export function planCgroupNamespace(linux: LinuxSpec): readonly Op[] {
  if (!makesNamespace(linux, 'cgroup')) return [];
  return [
    {
      op: 'unshare',
      flags: K.CLONE_NEWCGROUP,
      why: 'From here on the container sees its own cgroup as the root of all cgroups.',
    },
  ];
}

/** The parent writes the maps: a process may not give itself ids that it does not have. user_namespaces(7). */
export function planIdMaps(linux: LinuxSpec): readonly Op[] {
  if (!makesNamespace(linux, 'user')) return [];
  return [
    idMap('uid_map', linux.uidMappings ?? [], 'users'),
    idMap('gid_map', linux.gidMappings ?? [], 'groups'),
  ];
}

function idMap(file: string, mappings: readonly IdMapping[], what: string): Op {
  const data = mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join('');
  return {
    op: 'write',
    at: 'child-proc',
    path: file,
    data,
    why: `Says which ${what} of the host the ${what} of the user namespace really are; the kernel takes this once, in one write.`,
  };
}

/** In a user namespace the child has all capabilities, but until it takes id 0 it is nobody. */
export function planBecomeRoot(linux: LinuxSpec): readonly Op[] {
  if (!hasNamespace(linux, 'user')) return [];
  return [
    {
      op: 'setresgid',
      gid: 0,
      why: 'Becomes group 0 of the user namespace, so that the files it makes belong to it.',
    },
    {
      op: 'setresuid',
      uid: 0,
      why: 'Becomes user 0 of the user namespace, which is an ordinary user of the host.',
    },
  ];
}

export function planNames(hostname: string | undefined, domainname: string | undefined): readonly Op[] {
  const ops: Op[] = [];
  if (hostname !== undefined)
    ops.push({
      op: 'sethostname',
      name: hostname,
      why: "Gives the new UTS namespace its host name; it began with a copy of the host's.",
    });
  if (domainname !== undefined)
    ops.push({
      op: 'setdomainname',
      name: domainname,
      why: 'Gives the new UTS namespace its NIS domain name.',
    });
  return ops;
}
