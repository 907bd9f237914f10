/** The mounts of the specification, each placed inside the root by descriptor. */
import { posix } from 'node:path';
import * as K from '../kernel/constants.ts';
import { create, setFlag, setOption, setSource } from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import type { MountSpec } from '../spec/runtime.ts';
import { type MountOptions, parseMountOptions, purposeOf } from './options.ts';

/** What a bind mount's source is: a directory, or anything else. */
export type SourceType = (hostPath: string) => 'directory' | 'file';

/**
 * A link in the image at /proc, /sys or /dev would redirect what the engine mounts and writes there
 * (CVE-2019-16884, CVE-2023-27561), so on the way to these file systems no link is followed at all.
 */
const NO_LINKS = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS;
const IN_ROOT = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_MAGICLINKS;

const PURPOSE: Readonly<Record<string, string>> = {
  proc: 'Shows the processes of this PID namespace; ps and most programs read it.',
  sysfs: 'Shows devices and, as far as the network namespace goes, network interfaces.',
  tmpfs: 'Memory as a file system; it is gone with the container.',
  devpts: 'Terminals of its own: no terminal of the host can be opened from inside.',
  mqueue: 'The message queues of this IPC namespace.',
  cgroup: "The container's own limits, to be read.",
  cgroup2: "The container's own limits, to be read.",
};

/** Files of /proc that others replace by the container's own figures (lxcfs); they steer nothing. */
const REPLACEABLE_IN_PROC = new Set(
  'cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo net/dev sys/kernel/ns_last_pid sys/crypto/fips_enabled'
    .split(' ')
    .map((name) => `/proc/${name}`),
);

/** What lies over /proc could take the place of the files that give up rights: /proc/self/attr (CVE-2019-16884). */
function checkDestination({ destination, type }: MountSpec): void {
  // Most paths need no closer look: no name comes into a path by normalizing it, which costs half a millisecond of a cold start.
  if (!destination.includes('proc')) return;
  const path = posix.normalize(`/${destination}`).replace(/(.)\/$/, '$1');
  if (path !== '/proc' && !path.startsWith('/proc/')) return;
  if ((path === '/proc' && type === 'proc') || REPLACEABLE_IN_PROC.has(path)) return;
  throw new TsrunError('MOUNT_OVER_PROC', `Cannot mount on ${destination}: nothing may lie over /proc`, {
    hint: 'mount it elsewhere; the kernel fills /proc',
  });
}

export function planMount(mount: MountSpec, sourceType: SourceType): readonly Op[] {
  checkDestination(mount);
  const options = parseMountOptions(mount.options ?? []);
  return options.bind || mount.type === 'bind'
    ? planBind(mount, options, sourceType)
    : planFilesystem(mount, options);
}

function planFilesystem(mount: MountSpec, options: MountOptions): readonly Op[] {
  const fstype = mount.type === 'cgroup' ? 'cgroup2' : (mount.type ?? '');
  if (fstype === '')
    throw new TsrunError(
      'BAD_MOUNT',
      `Cannot mount on ${mount.destination}: the mount has neither a type nor the option bind`,
    );
  const purpose = PURPOSE[fstype] ?? `A ${fstype} file system.`;
  const slot = mount.destination === '/proc' && fstype === 'proc' ? 'proc' : 'mount';
  return [
    { op: 'fsopen', into: 'fs', fstype, why: purpose },
    setSource(mount.source ?? fstype),
    ...options.data.map(planOption),
    create(),
    {
      op: 'fsmount',
      into: slot,
      fs: 'fs',
      // A new file system has no mounts below it: "for all below" (rro …) is the same as "for it".
      attributes: options.set | options.recursiveSet,
      why:
        options.set === 0
          ? 'The file system as a mount that no path leads to yet.'
          : 'The file system as a mount, with its restrictions from its first moment.',
    },
    target(
      mount.destination,
      'directory',
      fstype === 'tmpfs' && mount.destination !== '/dev' ? IN_ROOT : NO_LINKS,
    ),
    place(slot, mount.destination),
    ...planPropagationOf(slot, options),
  ];
}

function planOption(text: string): Op {
  const at = text.indexOf('=');
  if (at < 0) return setFlag(text, purposeOf(text));
  return setOption(text.slice(0, at), text.slice(at + 1), purposeOf(text));
}

function planBind(mount: MountSpec, options: MountOptions, sourceType: SourceType): readonly Op[] {
  const source = mount.source;
  if (source === undefined)
    throw new TsrunError('BAD_MOUNT', `Cannot bind on ${mount.destination}: the mount has no source`);
  const tree = K.OPEN_TREE_CLONE + (options.recursive ? K.AT_RECURSIVE : 0);
  return [
    {
      op: 'open_tree',
      into: 'mount',
      path: source,
      flags: tree,
      why: `The host's ${source} as a mount of its own, attached nowhere yet.`,
    },
    ...setAttributes(options.set, options.clear, 0, 'Restricts the mount before anything inside can use it.'),
    ...setAttributes(
      options.recursiveSet,
      options.recursiveClear,
      K.AT_RECURSIVE,
      'Restricts the mount and every mount below it.',
    ),
    target(mount.destination, sourceType(source), IN_ROOT),
    place('mount', mount.destination),
    ...planPropagationOf('mount', options),
  ];
}

function setAttributes(set: number, clear: number, flags: number, why: string): readonly Op[] {
  if (set === 0 && clear === 0) return [];
  // An access-time setting must clear the whole field; what is both set and cleared otherwise was asked last to be set.
  const cleared = (clear & K.MOUNT_ATTR_ATIME) | (clear & ~set);
  return [{ op: 'mount_setattr', at: 'mount', path: '', flags, set, clear: cleared, propagation: 0, why }];
}

function planPropagationOf(slot: string, options: MountOptions): readonly Op[] {
  if (options.propagation === 0) return [];
  const flags = options.propagationRecursive ? K.AT_RECURSIVE : 0;
  return [
    {
      op: 'mount_setattr',
      at: slot,
      path: '',
      flags,
      set: 0,
      clear: 0,
      propagation: options.propagation,
      why: 'Decides whether later mounts below are passed on between host and container.',
    },
  ];
}

function target(destination: string, type: 'directory' | 'file', resolve: number): Op {
  return {
    op: 'ensure',
    into: 'target',
    at: 'rootfs',
    path: destination.replace(/^\/+/, ''),
    type: type === 'directory' ? K.S_IFDIR : K.S_IFREG,
    mode: type === 'directory' ? 0o755 : 0o644,
    resolve,
    why: `Finds or makes ${destination}; ${resolve === NO_LINKS ? 'a link in the image on the way there is refused' : 'links in the image are followed, but never out of the root'}.`,
  };
}

function place(slot: string, destination: string): Op {
  return { op: 'move_mount', from: slot, at: 'target', path: '', why: `It appears at ${destination}.` };
}
