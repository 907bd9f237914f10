/** Bind mounts: files and directories of the host, shown in the container. mount_setattr(2), open_tree(2). */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import { isBind } from '../spec/mount.ts';
import type { IdMapping, MountSpec } from '../spec/runtime.ts';
import { type MountOptions, parseMountOptions } from './options.ts';
import { attachAt, findPlace, IN_ROOT, setAttributes, setPropagation } from './place.ts';

/** What a bind mount's source is: a directory, or anything else. */
export type SourceType = (hostPath: string) => 'directory' | 'file';

/** The user namespace of a container: one that is made with these mappings, or one that is joined. */
export type UserNamespace =
  | { readonly uidMappings: readonly IdMapping[]; readonly gidMappings: readonly IdMapping[] }
  | 'joined';

export interface BindContext {
  readonly sourceType: SourceType;
  readonly userNamespace: UserNamespace | undefined;
  /** Mounts that the host makes later are passed on into the container. */
  readonly receivesMounts: boolean;
  /** Until the change of root they are passed on to the child: for a bind mount that is a slave. */
  readonly childReceivesMounts: boolean;
  /** The container has no mount namespace: the mounts of the host are its own. */
  readonly hasHostMounts: boolean;
}

/** The ops of one mount by the process that runs them: `before` the clone the host, then the child. */
export interface MountPlan {
  readonly before: readonly Op[];
  readonly child: readonly Op[];
}

/** `slot` is a name for its descriptor that no other mount has. Options of a file system have no meaning here, as in mount(2). */
export function planBind(
  mount: MountSpec,
  options: MountOptions,
  context: BindContext,
  slot: string,
): MountPlan {
  const { source, destination } = mount;
  if (source === undefined)
    throw new TsrunError('BAD_MOUNT', `Cannot bind on ${destination}: the mount has no source`);
  const owners = chooseOwners(mount, options, context, slot);
  const receives = context.receivesMounts || isSlave(options);
  // Root of a user namespace cannot reach every file of the host, nor say whose files they are: the host process can.
  const byHost = context.userNamespace !== undefined || owners !== undefined || context.hasHostMounts;
  const from = byHost ? slot : 'mount';
  const tree: Op = {
    op: 'open_tree',
    into: from,
    path: source,
    flags: K.OPEN_TREE_CLONE + (options.recursive ? K.AT_RECURSIVE : 0),
    why: `The host's ${source} as a mount of its own, attached nowhere yet.`,
  };
  const restricted = [
    ...setAttributes(from, options, 0, 'Restricts the mount before anything inside can use it.'),
    ...setAttributes(
      from,
      { set: options.recursiveSet, clear: options.recursiveClear },
      K.AT_RECURSIVE,
      'Restricts the mount and every mount below it.',
    ),
  ];
  const placed = [
    ...(destination === '/proc' ? [checkIsProc(from)] : []),
    findPlace(destination, context.sourceType(source), IN_ROOT),
    attachAt(from, destination),
    ...options.propagation.map((propagation) => setPropagation(from, propagation)),
  ];
  // In the child a tree is what the child's own mounts are.
  const loose = byHost || (context.childReceivesMounts && !receives) ? [cutLoose(from, receives)] : [];
  if (!byHost) return { before: [], child: [tree, ...loose, ...restricted, ...placed] };
  return { before: [tree, ...loose, ...(owners ?? []), ...restricted], child: placed };
}

/** A bind mount that is to receive the mounts that the host makes later. */
export function isSlaveBind(mount: MountSpec): boolean {
  return isBind(mount) && isSlave(parseMountOptions(mount.options ?? []));
}

function isSlave({ propagation }: MountOptions): boolean {
  return propagation.some(({ flag }) => flag === K.MS_SLAVE);
}

/** Until this, the tree is a peer of the host's own mounts: what is mounted below it would appear there. */
function cutLoose(slot: string, receivesMounts: boolean): Op {
  return setPropagation(
    slot,
    { flag: receivesMounts ? K.MS_SLAVE : K.MS_PRIVATE, recursive: true },
    receivesMounts
      ? 'Mounts of the host are still passed on into the container, none of the container to the host.'
      : 'Nothing that is mounted below it in the container can appear on the host, or the reverse.',
  );
}

/** What may lie over /proc as a whole: the files of a process steer what the engine does. */
function checkIsProc(fd: string): Op {
  return {
    op: 'check_fs',
    fd,
    magic: K.PROC_SUPER_MAGIC,
    why: 'Only a procfs may be bound on /proc: through its files processes give up their rights.',
  };
}

/**
 * Files of the mount belong to others than on the host: the ids of the file system are looked up in the mappings of a user
 * namespace as ids inside of it. Mappings without the option idmap are taken as if it stood there, as runc and crun do.
 */
function chooseOwners(
  { destination, uidMappings, gidMappings }: MountSpec,
  { idmap }: MountOptions,
  { userNamespace }: BindContext,
  slot: string,
): readonly Op[] | undefined {
  const own =
    uidMappings === undefined || gidMappings === undefined ? undefined : { uidMappings, gidMappings };
  if (idmap === 'none' && own === undefined) return undefined;
  const chosen = own ?? userNamespace;
  if (chosen === undefined)
    throw new TsrunError(
      'BAD_MOUNT',
      `Cannot map the owners of the files at ${destination}: there are no mappings`,
      { hint: 'give the mount uidMappings and gidMappings, or the container a user namespace' },
    );
  const namespace = chosen === 'joined' ? 'user-namespace' : `${slot}-owners`;
  return [
    ...(chosen === 'joined' ? [] : [makeUserNamespace(namespace, chosen)]),
    {
      op: 'mount_setattr',
      at: slot,
      path: '',
      flags: idmap === 'tree' ? K.AT_RECURSIVE : 0,
      set: K.MOUNT_ATTR_IDMAP,
      clear: 0,
      propagation: 0,
      userns: namespace,
      why: 'The files show other owners through this mount, as the mappings say; on the disk nothing changes.',
    },
  ];
}

function makeUserNamespace(into: string, maps: Exclude<UserNamespace, 'joined'>): Op {
  return {
    op: 'make_userns',
    into,
    uidMap: mapLines(maps.uidMappings),
    gidMap: mapLines(maps.gidMappings),
    why: 'A user namespace that no process stays in: the kernel takes mappings of owners only in this form.',
  };
}

function mapLines(mappings: readonly IdMapping[]): string {
  return mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join('');
}
