/** A container that may divide its cgroup itself: the cgroup belongs to its user then. config-linux.md, Cgroup ownership; cgroups(7), Delegation. */
import type { Op } from '../kernel/ops.ts';
import * as ns from '../namespaces/plan-namespaces.ts';
import { hostId } from '../spec/id-mapping.ts';
import type { RuntimeSpec } from '../spec/runtime.ts';
import type { HostFacts } from './plan.ts';

/** chown(2): the group stays as it is. */
const UNCHANGED = 0xffffffff;

/**
 * Only where it can see no other cgroup and writes to its own: in a cgroup namespace that is made for it, with cgroup v2 mounted
 * to be written. In v1 a cgroup that others own would not be safe. The limits themselves stay the host's.
 */
export function planDelegation({ process, mounts, linux }: RuntimeSpec, host: HostFacts): readonly Op[] {
  const writes = mounts.some(
    ({ source, destination, options = [] }) =>
      source === 'cgroup' && destination === '/sys/fs/cgroup' && !options.includes('ro'),
  );
  if (!writes || !ns.makesNamespace(linux, 'cgroup')) return [];
  const uid = ns.makesNamespace(linux, 'user')
    ? hostId(process.user.uid, linux.uidMappings ?? [])
    : process.user.uid;
  const isV2Alone = host.cgroup.v2Mount !== undefined && Object.keys(host.cgroup.v1).length === 0;
  // Root has every file already.
  if (!isV2Alone || uid === undefined || uid === 0) return [];
  return ['', ...host.delegatedCgroupFiles].map((path) => ({
    op: 'chown',
    at: 'cgroup',
    path,
    uid,
    gid: UNCHANGED,
    tolerate: ['ENOENT'],
    why:
      path === ''
        ? 'The user of the program may make cgroups below its own.'
        : `And it may write ${path}, which the kernel leaves to whom a cgroup is handed.`,
  }));
}
