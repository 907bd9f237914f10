/** The mounts of the specification, each placed inside the root by descriptor. */
import { posix } from 'node:path';
import * as K from '../kernel/constants.ts';
import {
  create,
  FSCONFIG_VALUE_MAX,
  reconfigure,
  setFlag,
  setOption,
  setSource,
} from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import type { MountSpec } from '../spec/runtime.ts';
import { type MountOptions, parseMountOptions, purposeOf } from './options.ts';
import { attachAt, findPlace, IN_ROOT, NO_LINKS, setAttributes, setPropagation } from './place.ts';
import { type BindContext, type MountPlan, planBind } from './plan-binds.ts';

const PURPOSES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    proc: 'Shows the processes of this PID namespace; ps and most programs read it.',
    sysfs: 'Shows devices and, as far as the network namespace goes, network interfaces.',
    tmpfs: 'Memory as a file system; it is gone with the container.',
    devpts: 'Terminals of its own: no terminal of the host can be opened from inside.',
    mqueue: 'The message queues of this IPC namespace.',
    cgroup: "The container's own limits, to be read.",
    cgroup2: "The container's own limits, to be read.",
  }),
);

/** Files of /proc that others replace by the container's own figures (lxcfs); they steer nothing. */
const REPLACEABLE_IN_PROC = new Set(
  'cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo net/dev sys/kernel/ns_last_pid sys/crypto/fips_enabled'
    .split(' ')
    .map((name) => `/proc/${name}`),
);

/**
 * What lies over /proc could take the place of the files that give up rights: /proc/self/attr (CVE-2019-16884). Another procfs may;
 * the plan of a bind mount checks that it is one.
 */
function checkDestination({ destination, type }: MountSpec, isBind: boolean): void {
  // Most paths need no closer look: no name comes into a path by normalizing it, which costs half a millisecond of a cold start.
  if (!destination.includes('proc')) return;
  const path = posix.normalize(`/${destination}`).replace(/(.)\/$/, '$1');
  if (path !== '/proc' && !path.startsWith('/proc/')) return;
  if ((path === '/proc' && (isBind || type === 'proc')) || REPLACEABLE_IN_PROC.has(path)) return;
  throw new TsrunError('MOUNT_OVER_PROC', `Cannot mount on ${destination}: nothing may lie over /proc`, {
    hint: 'mount it elsewhere; the kernel fills /proc',
  });
}

/** All mounts of a container, in their order. */
export function planMounts(mounts: readonly MountSpec[], context: BindContext): MountPlan {
  const plans = mounts.map((mount, i) => planMount(mount, context, `source-${i}`));
  return {
    before: plans.flatMap((plan) => plan.before),
    child: plans.flatMap((plan) => plan.child),
  };
}

/** `slot` is a name for its descriptor that no other mount has. */
export function planMount(mount: MountSpec, context: BindContext, slot: string): MountPlan {
  const options = parseMountOptions(mount.options ?? []);
  const isBind = options.bind || mount.type === 'bind';
  checkDestination(mount, isBind);
  if (options.remount) return { before: [], child: planRemount(mount, options) };
  if (isBind) return planBind(mount, options, context, slot);
  if (options.idmap !== 'none' || mount.uidMappings !== undefined)
    throw new TsrunError(
      'BAD_MOUNT',
      `Cannot map the owners of the files at ${mount.destination}: it is no bind mount`,
      { hint: 'a new file system belongs to the container anyway; use idmap with bind or rbind' },
    );
  return { before: [], child: planFilesystem(mount, options) };
}

/** Mounts below /proc, /sys and /dev are the engine's own business; those of data may lie behind links of the image. */
function resolveOf({ destination }: MountSpec, fstype: string): number {
  return (fstype === 'tmpfs' && destination !== '/dev') || !PURPOSES.has(fstype) ? IN_ROOT : NO_LINKS;
}

function planFilesystem(mount: MountSpec, options: MountOptions): readonly Op[] {
  const { destination } = mount;
  const fstype = mount.type ?? '';
  if (fstype === '')
    throw new TsrunError(
      'BAD_MOUNT',
      `Cannot mount on ${destination}: the mount has neither a type nor the option bind`,
    );
  if (options.data.some(isLong)) return planLongFilesystem(mount, options, fstype);
  const slot = destination === '/proc' && fstype === 'proc' ? 'proc' : 'mount';
  // A new file system has no mounts below it: "for all below" (rro …) is the same as "for it".
  const attributes = options.set | options.recursiveSet;
  const isTmpfs = fstype === 'tmpfs';
  // Of what is shown of the kernel itself only the mount is read-only; a disk that is, is so as a whole.
  const readOnly = !PURPOSES.has(fstype) && (attributes & K.MOUNT_ATTR_RDONLY) !== 0;
  const takesMode = isTmpfs && !options.data.some((option) => option.startsWith('mode='));
  const copies = isTmpfs && options.copyUp;
  const later = takesMode || copies ? attributes & K.MOUNT_ATTR_RDONLY : 0;
  return [
    { op: 'fsopen', into: 'fs', fstype, why: PURPOSES.get(fstype) ?? `A ${fstype} file system.` },
    setSource(mount.source ?? fstype),
    ...[...options.superblock, ...(readOnly ? ['ro'] : [])].map((flag) => setFlag(flag, purposeOf(flag))),
    ...options.data.map(planOption),
    create(),
    {
      op: 'fsmount',
      into: slot,
      fs: 'fs',
      attributes: attributes & ~later,
      why:
        attributes === later
          ? 'The file system as a mount that no path leads to yet.'
          : 'The file system as a mount, with its restrictions from its first moment.',
    },
    findPlace(destination, 'directory', resolveOf(mount, fstype), takesMode ? 0o1777 : 0o755),
    ...(takesMode ? [takeMode(slot, destination)] : []),
    ...(copies ? [copyUp(slot, destination)] : []),
    ...setAttributes(slot, { set: later, clear: 0 }, 0, 'Read-only, now that it is as it should be.'),
    attachAt(slot, destination),
    ...options.propagation.map((propagation) => setPropagation(slot, propagation)),
  ];
}

function planOption(text: string): Op {
  const at = text.indexOf('=');
  if (at < 0) return setFlag(text, purposeOf(text));
  return setOption(text.slice(0, at), text.slice(at + 1), purposeOf(text));
}

function takeMode(fd: string, destination: string): Op {
  return {
    op: 'chmod_like',
    fd,
    like: 'target',
    why: `Nobody said who may use it: those who may use the ${destination} that it covers.`,
  };
}

function copyUp(to: string, destination: string): Op {
  return {
    op: 'copy_tree',
    from: 'target',
    to,
    why: `It begins with what the image has at ${destination}.`,
  };
}

/** fsconfig(2) takes at most 255 bytes of value, mount(2) a page: enough for the layers of an overlay. */
function isLong(option: string): boolean {
  return Buffer.byteLength(option) - option.indexOf('=') - 1 > FSCONFIG_VALUE_MAX;
}

function planLongFilesystem(mount: MountSpec, options: MountOptions, fstype: string): readonly Op[] {
  const { destination } = mount;
  const attributes = options.set | options.recursiveSet;
  const readOnly = (attributes & K.MOUNT_ATTR_RDONLY) === 0 ? 0 : K.MS_RDONLY;
  return [
    findPlace(destination, 'directory', resolveOf(mount, fstype)),
    { op: 'fchdir', fd: 'target', why: 'mount(2) knows no descriptors, but it knows the current directory.' },
    {
      op: 'mount',
      source: mount.source ?? fstype,
      target: '.',
      fstype,
      flags: readOnly,
      data: [...options.superblock, ...options.data].join(','),
      why: `${PURPOSES.get(fstype) ?? `A ${fstype} file system.`} An option is too long for fsconfig, so the old call mounts it.`,
    },
    findPlace(destination, 'directory', resolveOf(mount, fstype)),
    ...setAttributes('target', { set: attributes, clear: 0 }, 0, 'With its restrictions.'),
    ...options.propagation.map((propagation) => setPropagation('target', propagation)),
  ];
}

/** What is mounted there already: the attributes of its mount, and for `remount` without `bind` the file system itself too. */
function planRemount(mount: MountSpec, options: MountOptions): readonly Op[] {
  const superblock = [
    ...options.superblock,
    ...((options.set & K.MOUNT_ATTR_RDONLY) === 0 ? [] : ['ro']),
  ].map((flag) => setFlag(flag, purposeOf(flag)));
  const changes = options.bind ? [] : [...superblock, ...options.data.map(planOption)];
  const why = 'Changes what is mounted there already.';
  return [
    findPlace(mount.destination, 'directory', IN_ROOT),
    ...(changes.length === 0
      ? []
      : [
          {
            op: 'fspick' as const,
            into: 'fs',
            at: 'target',
            path: '',
            why: 'The file system that is mounted there, to be changed.',
          },
          ...changes,
          reconfigure(),
        ]),
    ...setAttributes('target', options, 0, why),
    ...setAttributes(
      'target',
      { set: options.recursiveSet, clear: options.recursiveClear },
      K.AT_RECURSIVE,
      why,
    ),
    ...options.propagation.map((propagation) => setPropagation('target', propagation)),
  ];
}
