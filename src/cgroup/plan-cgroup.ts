/** The container's cgroups: made before the container, so that it is born inside, and removed after it. cgroups(7). */
import type { Op } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
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
import { deviceRules } from './device-rules.ts';
import {
  type CgroupHost,
  type CgroupPlace,
  type ContainerCgroups,
  type Cpuset,
  containerCgroups,
  placeCgroup,
} from './host.ts';
import { resourceWrites } from './resource-writes.ts';
import { type CgroupWrite, noController } from './setting.ts';
import { inheritedCpuset } from './v1/cpuset.ts';
import { deviceSettings } from './v1/devices.ts';

/** `cgroupsPath` as in the specification: see placeCgroup. */
export function planCgroup(
  host: CgroupHost,
  cgroupsPath: string,
  resources: ResourcesSpec,
  which: WhichCgroups = 'limited',
): CgroupPlan {
  const writes = allWrites(host, resources, which);
  const controllers = v1Controllers(host, writes, which);
  const v2 =
    host.v2Mount === undefined
      ? undefined
      : planV2(
          placeCgroup(host.v2Mount, host.v2Base, cgroupsPath),
          resources,
          writes,
          which === 'all' && !host.v2Busy ? host.v2Controllers : controllersOf(writes),
          which === 'all',
        );
  checkBase(host, cgroupsPath, writes);
  const v1 = v1Mounts(host, controllers).map((mount) =>
    planV1(host, cgroupsPath, mount, controllers, writes, which === 'all'),
  );
  return {
    before: [...(v2?.before ?? []), ...v1.flatMap((plan) => plan.before)],
    join: v1.flatMap((plan) => plan.join),
    // Cleanup runs backwards: what is left is killed by v2, and then the directories go.
    cleanup: [
      ...v1.flatMap((plan) => plan.cleanup),
      ...removeLater(host, cgroupsPath, controllers),
      ...(v2?.cleanup ?? []),
    ],
    hold: [],
    count: [...(v2?.count ?? []), ...v1.flatMap((plan) => plan.count)],
    bornInside: v2 !== undefined,
  };
}

/** In v2 processes are in leaves only, so that no process competes with a cgroup. cgroups(7), No internal processes rule. */
function checkBase(
  { v2Busy, v2Base }: CgroupHost,
  cgroupsPath: string,
  writes: readonly CgroupWrite[],
): void {
  const controllers = controllersOf(writes);
  const isBelow = v2Base === '/' || !cgroupsPath.startsWith('/');
  if (!v2Busy || !isBelow || controllers.length === 0) return;
  throw new TsrunError(
    'BUSY_CGROUP',
    `Cannot limit the container: the cgroup ${v2Base} has processes of its own, so it cannot hand down ${controllers.join(', ')}`,
    { hint: `move them into a cgroup below it first (its cgroup.procs lists them), or leave out the limits` },
  );
}

/** The cgroups that planCgroup makes. */
export function plannedCgroups(
  host: CgroupHost,
  cgroupsPath: string,
  resources: ResourcesSpec,
  which: WhichCgroups = 'limited',
): ContainerCgroups {
  return containerCgroups(host, cgroupsPath, v1Controllers(host, allWrites(host, resources, which), which));
}

function allWrites(host: CgroupHost, resources: ResourcesSpec, which: WhichCgroups): readonly CgroupWrite[] {
  const writes = resourceWrites(host, resources, { changing: false });
  const unlimitedCpuset = which === 'all' && !writes.some((one) => one.controller === 'cpuset');
  return [
    ...writes,
    ...(unlimitedCpuset ? inheritedCpuset(host.v1.cpuset?.cpuset) : []).map((one) => ({
      ...one,
      version: 1 as const,
      controller: 'cpuset',
    })),
    ...v1DeviceWrites(host, resources),
  ];
}

/** A program on v2 is asked on a hybrid host too; the files of v1 serve where there is no v2 to attach it to. */
function v1DeviceWrites(host: CgroupHost, resources: ResourcesSpec): readonly CgroupWrite[] {
  const rules = deviceRules(resources.devices);
  if (rules.length === 0 || host.v2Mount !== undefined) return [];
  if (host.v1.devices === undefined)
    throw noController(
      'cgroup v2, nor the controller devices of v1',
      'which devices the container may use',
      'mount cgroup2 on /sys/fs/cgroup, or run it with --privileged',
    );
  return deviceSettings(rules).map((one) => ({ ...one, version: 1, controller: 'devices' }));
}

/** A hierarchy may have several controllers: who has one of them has the others too. */
function v1Controllers(
  { v1 }: Pick<CgroupHost, 'v1'>,
  writes: readonly CgroupWrite[],
  which: WhichCgroups,
): readonly string[] {
  const limited = writes.filter((one) => one.version === 1).map((one) => one.controller);
  return which === 'all' ? Object.keys(v1) : [...new Set(limited)];
}

function v1Mounts(host: CgroupHost, controllers: readonly string[]): readonly HostPath[] {
  return [...new Set(controllers.flatMap((name) => host.v1[name]?.mount ?? []))];
}

type Part = Pick<CgroupPlan, 'before' | 'join' | 'cleanup' | 'count'>;

function planV2(
  place: CgroupPlace,
  resources: ResourcesSpec,
  writes: readonly CgroupWrite[],
  controllers: readonly string[],
  mayExist: boolean,
): Part {
  const own = writes.filter((one) => one.version === 2);
  return {
    before: [
      openV2Root(place.mount),
      ...parentsOf(place).flatMap((path): readonly Op[] => [
        ...(path === place.base ? [] : [makeParent('cgroups', path)]),
        ...(controllers.length === 0 ? [] : [handDown(path, controllers)]),
      ]),
      {
        op: 'mkdir',
        at: 'cgroups',
        path: place.path,
        mode: 0o755,
        ...(mayExist ? { tolerate: ['EEXIST'] } : {}),
        why: 'A directory in cgroupfs is a cgroup: this one will hold the container and nothing else.',
      },
      openDirectory('cgroup', 'cgroups', place.path, 'clone3 takes the cgroup as a descriptor.'),
      ...own.map((one) => writeSetting('cgroup', one)),
      ...planDevices(resources),
    ],
    join: [],
    cleanup: removeV2(place.path),
    count: [countOomKills('cgroup', 'memory.events')],
  };
}

function planV1(
  host: CgroupHost,
  cgroupsPath: string,
  mount: HostPath,
  controllers: readonly string[],
  writes: readonly CgroupWrite[],
  mayExist: boolean,
): Part {
  const names = controllers.filter((name) => host.v1[name]?.mount === mount);
  const controller = names.join(',');
  const place = placeCgroup(mount, host.v1[names[0] ?? '']?.base ?? '/', cgroupsPath);
  const cpuset = names.includes('cpuset') ? host.v1.cpuset?.cpuset : undefined;
  const root = `${controller}-cgroups`;
  const cgroup = `${controller}-cgroup`;
  return {
    before: [
      openDirectory(root, undefined, place.mount, `The root of the v1 hierarchy of ${controller}.`),
      ...parentsOf(place)
        .filter((path) => path !== place.base)
        .flatMap((path) => [makeParent(root, path), ...fillCpuset(root, path, cpuset)]),
      {
        op: 'mkdir',
        at: root,
        path: place.path,
        mode: 0o755,
        ...(mayExist ? { tolerate: ['EEXIST'] } : {}),
        why: `In v1 each hierarchy has cgroups of its own: the container gets one for ${controller}.`,
      },
      openDirectory(cgroup, root, place.path, 'Its files, and the list of its processes.'),
      ...writes
        .filter((one) => one.version === 1 && names.includes(one.controller))
        .map((one) => writeSetting(cgroup, one)),
    ],
    join: [
      {
        op: 'join_cgroup',
        cgroup,
        why: `clone3 cannot make a process in a v1 cgroup, so the limits of ${controller} begin here, before it does anything.`,
      },
    ],
    cleanup: [
      { op: 'rmdir', at: root, path: place.path, why: 'An empty cgroup is removed like a directory.' },
    ],
    count: names.includes('memory') ? [countOomKills(cgroup, 'memory.oom_control')] : [],
  };
}

/** The v1 cgroups that `tsrun update` may have made meanwhile, for a kind of limit that the container had not. */
function removeLater(host: CgroupHost, cgroupsPath: string, planned: readonly string[]): readonly Op[] {
  return ['memory', 'cpu', 'cpuset', 'blkio', 'pids'].flatMap((controller): readonly Op[] => {
    const hierarchy = host.v1[controller];
    if (hierarchy === undefined || planned.includes(controller)) return [];
    const { mount, path } = placeCgroup(hierarchy.mount, hierarchy.base, cgroupsPath);
    return [
      {
        op: 'rmdir',
        path: `${mount}/${path}`,
        tolerate: ['ENOENT'],
        why: `Should tsrun update have limited ${controller}, there is a cgroup for that too.`,
      },
    ];
  });
}

/** The cgroups above it: the base, which is there and stands for all above it, and those below that may have to be made. */
function parentsOf({ path, base }: CgroupPlace): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  const paths = ['', ...parts.map((_, i) => parts.slice(0, i + 1).join('/'))];
  return paths.slice(paths.indexOf(base));
}

/** It stays: other containers may be in it, or come to be. */
function makeParent(at: string, path: string): Op {
  return {
    op: 'mkdir',
    at,
    path,
    mode: 0o755,
    tolerate: ['EEXIST'],
    why: 'The parent that was asked for; one that is there already is used.',
  };
}

function fillCpuset(at: string, path: string, cpuset: Cpuset | undefined): readonly Op[] {
  if (cpuset?.unset?.includes(path) !== true) return [];
  return inheritedCpuset(cpuset).map(({ file, value, why }) => ({
    op: 'write',
    at,
    path: `${path}/${file}`,
    data: value,
    why,
  }));
}
