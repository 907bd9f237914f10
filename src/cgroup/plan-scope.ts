/**
 * The cgroup of a container in a scope of systemd. systemd takes only processes that exist, so the container is born outside,
 * and waits. The scope is an inner node: the container moves into a leaf of it, where the limits are.
 */
import { type HostPath, hostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import type { ResourcesSpec } from '../spec/runtime.ts';
import {
  type CgroupPlan,
  controllersOf,
  countOomKills,
  handDown,
  openDirectory,
  openV2Root,
  planDevices,
  removeV2,
  type WhichCgroups,
  writeSetting,
} from './cgroup-ops.ts';
import type { CgroupHost, ContainerCgroups } from './host.ts';
import { resourceWrites } from './resource-writes.ts';
import { parseScope, type Scope } from './scope.ts';
import { annotatedProperties } from './scope-properties.ts';
import { SYSTEM_BUS, startScope } from './systemd.ts';

/** Those that systemd hands down to a scope which is delegated. Of the others it knows nothing: nobody else writes them. */
const OF_SYSTEMD = new Set(['cpu', 'cpuset', 'io', 'memory', 'pids']);

/** `cgroupsPath`: see parseScope; `annotations`: see annotatedProperties. Throws on a host without systemd, or with v1. */
export function planScope(
  host: CgroupHost,
  cgroupsPath: string,
  resources: ResourcesSpec,
  which: WhichCgroups = 'limited',
  annotations: Readonly<Record<string, string>> = {},
): CgroupPlan {
  const mount = checkSystemd(host);
  const scope = parseScope(cgroupsPath);
  const leaf = leafOf(scope);
  const writes = resourceWrites(host, resources, { changing: false });
  const inherited = which === 'all' ? host.v2Controllers.filter((name) => OF_SYSTEMD.has(name)) : [];
  const controllers = [...new Set([...controllersOf(writes), ...inherited])];
  const others = controllers.filter((name) => !OF_SYSTEMD.has(name));
  return {
    before: [],
    join: [
      {
        op: 'systemd_job',
        bus: SYSTEM_BUS,
        unit: scope.unit,
        request: startScope(scope, annotatedProperties(annotations)),
        why: `systemd manages the cgroups of this host, so it is asked over D-Bus (StartTransientUnit) for one: a scope in ${scope.slice} that holds the child (PIDs) and is ours to divide (Delegate).`,
      },
      // Nothing is opened before: of a scope that is somebody else's, the cleanup finds nothing to remove.
      openV2Root(mount),
      {
        op: 'mkdir',
        at: 'cgroups',
        path: leaf,
        mode: 0o755,
        why: 'In v2 the limits of a cgroup are handed down by the one above, which may have no processes: so this is a leaf of the scope.',
      },
      openDirectory('cgroup', 'cgroups', leaf, 'Its files, and the list of its processes.'),
      {
        op: 'join_cgroup',
        cgroup: 'cgroup',
        why: 'The child, which systemd has put into the scope, goes on into the leaf.',
      },
      ...(others.length === 0 ? [] : slicesAbove(scope).map((path) => handDown(path, others))),
      ...(controllers.length === 0 ? [] : [handDown(scope.path, controllers)]),
      ...writes.map((one) => writeSetting('cgroup', one)),
      ...planDevices(resources),
    ],
    // The scope goes with its last process: systemd sees to that.
    cleanup: removeV2(leaf),
    ...planHolder(scope),
    bornInside: false,
  };
}

/** systemd removes a scope with all its cgroups as soon as it is empty, and may be faster than the helper, who wants to read them. */
function planHolder(scope: Scope): Pick<CgroupPlan, 'hold' | 'count'> {
  const leaf = `${scope.path}/holder`;
  return {
    hold: [
      {
        op: 'mkdir',
        at: 'cgroups',
        path: leaf,
        mode: 0o755,
        why: 'Another leaf of the scope, for a process that is not the container.',
      },
      openDirectory('holder', 'cgroups', leaf, 'clone3 takes the cgroup as a descriptor.'),
      {
        op: 'hold_cgroup',
        cgroup: 'holder',
        why: 'systemd removes a scope when its last process has ended, and what the kernel has counted with it. This one stays until that is read.',
      },
    ],
    count: [
      { op: 'rmdir', at: 'cgroups', path: leaf, why: 'An empty cgroup is removed like a directory.' },
      { op: 'release_cgroup', why: 'What was counted is read: the scope may go.' },
      countOomKills('cgroup', 'memory.events'),
    ],
  };
}

/** The cgroups that planScope makes. */
export function scopeCgroups(host: CgroupHost, cgroupsPath: string): ContainerCgroups {
  const scope = parseScope(cgroupsPath);
  return { v2: hostPath(`${checkSystemd(host)}/${leafOf(scope)}`), v1: {}, scope: scope.unit };
}

const leafOf = ({ path }: Scope) => `${path}/container`;

/** From the root down to the slice it lies in. */
function slicesAbove({ path }: Scope): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, i) => parts.slice(0, i).join('/'));
}

/** Returns the mount of cgroup v2. */
function checkSystemd({ hasSystemd, v2Mount }: CgroupHost): HostPath {
  const refuse = (why: string, hint: string) =>
    new TsrunError('NO_CGROUP_MANAGER', `Cannot have systemd manage the cgroups: ${why}`, { hint });
  if (!hasSystemd)
    throw refuse(
      'it is not the init of this system, for there is no /run/systemd/system',
      'use --cgroup-manager cgroupfs',
    );
  if (v2Mount !== '/sys/fs/cgroup')
    throw refuse(
      'on this host the controllers are those of cgroup v1, where tsrun makes its cgroups itself',
      'use --cgroup-manager cgroupfs, or boot with systemd.unified_cgroup_hierarchy=1',
    );
  return v2Mount;
}
