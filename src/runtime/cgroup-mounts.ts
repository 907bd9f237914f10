/** What a mount of the type `cgroup` comes to: the container's own cgroups, as this host has them. config-linux.md, cgroups(7). */
import { posix } from 'node:path';
import { type CgroupHost, containerCgroups, type V1Hierarchy } from '../cgroup/host.ts';
import type { HostPath } from '../lib/brands.ts';
import { hasNamespace } from '../namespaces/plan-namespaces.ts';
import type { LinuxSpec, MountSpec } from '../spec/runtime.ts';

/** `everyCgroup`: the container has a cgroup in each hierarchy of v1, and not only where it is limited. */
export function cgroupMounts(
  mount: MountSpec,
  linux: LinuxSpec,
  host: CgroupHost,
  everyCgroup: boolean,
): readonly MountSpec[] {
  if (mount.type !== 'cgroup' && mount.type !== 'cgroup2') return [mount];
  if (mount.type === 'cgroup' && everyCgroup && Object.keys(host.v1).length > 0)
    return v1Mounts(mount, linux, host);
  return [v2Mount(mount, linux, host)];
}

/**
 * In the first cgroup namespace, cgroup2 takes the options of its newest mount: one for the container would take nsdelegate
 * and memory_recursiveprot from the host (kernel/cgroup/cgroup.c, apply_cgroup_root_flags). There the host's is bound instead.
 */
function v2Mount(mount: MountSpec, linux: LinuxSpec, { v2Mount: source }: CgroupHost): MountSpec {
  if (hasNamespace(linux, 'cgroup') || source === undefined) return { ...mount, type: 'cgroup2' };
  return { ...mount, type: 'bind', source, options: ['bind', ...(mount.options ?? [])] };
}

/** A tmpfs with a directory for each hierarchy, and for each of its controllers, since programs look for both. */
function v1Mounts(mount: MountSpec, linux: LinuxSpec, host: CgroupHost): readonly MountSpec[] {
  const { destination, options = [] } = mount;
  const { v1: own, v2 } = containerCgroups(host, linux.cgroupsPath ?? '', Object.keys(host.v1));
  const isNew = hasNamespace(linux, 'cgroup');
  const hierarchies = Object.entries(host.v1).flatMap(([controller, hierarchy]): MountSpec[] => {
    const mounted: MountSpec = isNew
      ? {
          destination,
          type: 'cgroup',
          source: 'cgroup',
          options: [...options, ...controllersAt(host, hierarchy)],
        }
      : { destination, type: 'bind', source: own[controller] ?? '', options: ['bind', ...options] };
    const names = new Set([controller.replace('name=', ''), posix.basename(hierarchy.mount)]);
    return [...names].map((name) => ({ ...mounted, destination: posix.join(destination, name) }));
  });
  const unique = new Map(hierarchies.map((one) => [one.destination, one]));
  return [
    {
      destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [...options.filter((one) => one !== 'ro'), 'mode=755'],
    },
    ...unique.values(),
    ...(v2 === undefined
      ? []
      : [unifiedMount({ ...mount, destination: posix.join(destination, 'unified') }, isNew, v2)]),
    { destination, options: ['remount', 'bind', ...options] },
  ];
}

function unifiedMount(mount: MountSpec, isNew: boolean, source: HostPath): MountSpec {
  if (isNew) return { ...mount, type: 'cgroup2' };
  return { ...mount, type: 'bind', source, options: ['bind', ...(mount.options ?? [])] };
}

/** All of a hierarchy, or the kernel takes it for another one. */
function controllersAt({ v1 }: CgroupHost, { mount }: V1Hierarchy): readonly string[] {
  return Object.keys(v1).filter((name) => v1[name]?.mount === mount);
}
