/** resources → what is written to which file: by cgroup v2 where it has the controller, by v1 where that has it. */
import type { ResourcesSpec } from '../spec/runtime.ts';
import type { CgroupHost, V1Hierarchy } from './host.ts';
import { type CgroupWrite, noController, type Setting } from './setting.ts';
import { blkioSettings } from './v1/blkio.ts';
import { cpuSettings as v1CpuSettings } from './v1/cpu.ts';
import { cpusetSettings as v1CpusetSettings } from './v1/cpuset.ts';
import { memorySettings as v1MemorySettings } from './v1/memory.ts';
import { classSettings, prioritySettings } from './v1/network.ts';
import { cpuSettings } from './v2/cpu.ts';
import { cpusetSettings } from './v2/cpuset.ts';
import { hugetlbSettings } from './v2/hugetlb.ts';
import { ioSettings } from './v2/io.ts';
import { memorySettings } from './v2/memory.ts';
import { pidsSettings } from './v2/pids.ts';
import { rdmaSettings } from './v2/rdma.ts';
import { unifiedWrites } from './v2/unified.ts';

interface Controller {
  /** What it is about; where that is not asked for, nothing of it is looked at. */
  readonly section: keyof ResourcesSpec;
  /** Its names in the two versions. */
  readonly v2: string;
  readonly v1: string;
  /** What it limits, for a message: `Cannot limit memory: …`. */
  readonly limits: string;
  v2Settings(resources: ResourcesSpec): readonly Setting[];
  v1Settings(resources: ResourcesSpec, changing: boolean, own: V1Hierarchy['cpuset']): readonly Setting[];
}

const CONTROLLERS: readonly Controller[] = [
  {
    section: 'memory',
    v2: 'memory',
    v1: 'memory',
    limits: 'memory',
    v2Settings: memorySettings,
    v1Settings: v1MemorySettings,
  },
  {
    section: 'cpu',
    v2: 'cpu',
    v1: 'cpu',
    limits: 'processor time',
    v2Settings: cpuSettings,
    v1Settings: v1CpuSettings,
  },
  {
    section: 'cpu',
    v2: 'cpuset',
    v1: 'cpuset',
    limits: 'which processors are used',
    v2Settings: cpusetSettings,
    v1Settings: v1CpusetSettings,
  },
  {
    section: 'pids',
    v2: 'pids',
    v1: 'pids',
    limits: 'processes',
    v2Settings: pidsSettings,
    v1Settings: pidsSettings,
  },
  {
    section: 'blockIO',
    v2: 'io',
    v1: 'blkio',
    limits: 'disks',
    v2Settings: ioSettings,
    v1Settings: blkioSettings,
  },
  {
    section: 'hugepageLimits',
    v2: 'hugetlb',
    v1: 'hugetlb',
    limits: 'huge pages',
    v2Settings: (resources) => hugetlbSettings(resources),
    v1Settings: (resources) => hugetlbSettings(resources, 'limit_in_bytes'),
  },
  {
    section: 'network',
    v2: 'net_cls',
    v1: 'net_cls',
    limits: 'the class of network traffic',
    v2Settings: () => [],
    v1Settings: classSettings,
  },
  {
    section: 'network',
    v2: 'net_prio',
    v1: 'net_prio',
    limits: 'the priority of network traffic',
    v2Settings: () => [],
    v1Settings: prioritySettings,
  },
  {
    section: 'rdma',
    v2: 'rdma',
    v1: 'rdma',
    limits: 'RDMA',
    v2Settings: rdmaSettings,
    v1Settings: rdmaSettings,
  },
];

/**
 * In the order the kernel wants. `changing`: the cgroup has limits and processes already, as at `tsrun update`. Device
 * rules are no files: see device-program.ts.
 */
export function resourceWrites(
  host: CgroupHost,
  resources: ResourcesSpec,
  { changing }: { readonly changing: boolean },
): readonly CgroupWrite[] {
  return [
    ...CONTROLLERS.flatMap((controller) => controllerWrites(controller, host, resources, changing)),
    ...unifiedWrites(resources, host.v2Controllers),
  ];
}

function controllerWrites(
  { section, v2, v1, limits, v2Settings, v1Settings }: Controller,
  host: CgroupHost,
  resources: ResourcesSpec,
  changing: boolean,
): readonly CgroupWrite[] {
  if (resources[section] === undefined) return [];
  if (host.v2Controllers.includes(v2))
    return v2Settings(resources).map((one) => ({ ...one, version: 2, controller: v2 }));
  const hierarchy = host.v1[v1];
  const settings = v1Settings(resources, changing, hierarchy?.cpuset);
  if (settings.length > 0 && hierarchy === undefined)
    throw noController(
      `cgroup controller ${v2}${v1 === v2 ? '' : ` (v1: ${v1})`}`,
      limits,
      host.v2Mount === undefined
        ? 'mount cgroup2 on /sys/fs/cgroup'
        : `look at /proc/cgroups and at ${host.v2Mount}/cgroup.controllers: the kernel may lack it, be booted with cgroup_disable=${v1}, or hold it back in the cgroup above; or leave out the limit`,
    );
  return settings.map((one) => ({ ...one, version: 1, controller: v1 }));
}
