import { expect, test } from 'vitest';
import type { CgroupHost } from '../../../src/cgroup/host.ts';
import { resourceWrites } from '../../../src/cgroup/resource-writes.ts';
import { weightOfShares } from '../../../src/cgroup/v2/cpu.ts';
import { ioWeight } from '../../../src/cgroup/v2/io.ts';
import { hostPath } from '../../../src/lib/brands.ts';
import type { ResourcesSpec } from '../../../src/spec/runtime.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const V2: CgroupHost = { ...HOST.cgroup, v2Controllers: [...HOST.cgroup.v2Controllers, 'hugetlb', 'rdma'] };
const V1: CgroupHost = {
  ...HYBRID_HOST.cgroup,
  v1: {
    ...HYBRID_HOST.cgroup.v1,
    hugetlb: { mount: hostPath('/sys/fs/cgroup/hugetlb'), base: '/' },
    rdma: { mount: hostPath('/sys/fs/cgroup/rdma'), base: '/' },
  },
};
const lines = (host: CgroupHost, resources: ResourcesSpec, changing = false) =>
  resourceWrites(host, resources, { changing }).map((one) => `${one.file}=${one.value}`);
const disk = { major: 8, minor: 0 };

test.each<[string, ResourcesSpec, readonly string[], readonly string[]]>([
  ['nothing', {}, [], []],
  ['memory', { memory: { limit: 100 } }, ['memory.max=100'], ['memory.limit_in_bytes=100']],
  ['no limit of memory', { memory: { limit: -1 } }, ['memory.max=max'], ['memory.limit_in_bytes=-1']],
  [
    'memory and swap: v2 wants swap alone',
    { memory: { limit: 100, swap: 250 } },
    ['memory.max=100', 'memory.swap.max=150'],
    ['memory.limit_in_bytes=100', 'memory.memsw.limit_in_bytes=250'],
  ],
  [
    'all the swap there is',
    { memory: { limit: 100, swap: -1 } },
    ['memory.max=100', 'memory.swap.max=max'],
    ['memory.limit_in_bytes=100', 'memory.memsw.limit_in_bytes=-1'],
  ],
  ['a reservation', { memory: { reservation: 50 } }, ['memory.low=50'], ['memory.soft_limit_in_bytes=50']],
  ['shares', { cpu: { shares: 512 } }, ['cpu.weight=50'], ['cpu.shares=512']],
  [
    'a quota',
    { cpu: { quota: 5000, period: 10000 } },
    ['cpu.max=5000 10000'],
    ['cpu.cfs_period_us=10000', 'cpu.cfs_quota_us=5000'],
  ],
  ['a quota alone', { cpu: { quota: 5000 } }, ['cpu.max=5000 100000'], ['cpu.cfs_quota_us=5000']],
  ['no quota', { cpu: { quota: -1 } }, ['cpu.max=max 100000'], ['cpu.cfs_quota_us=-1']],
  ['a period alone', { cpu: { period: 5000 } }, ['cpu.max=max 5000'], ['cpu.cfs_period_us=5000']],
  [
    'burst and idle',
    { cpu: { burst: 7, idle: 1 } },
    ['cpu.max.burst=7', 'cpu.idle=1'],
    ['cpu.cfs_burst_us=7', 'cpu.idle=1'],
  ],
  [
    'processors; in v1 the nodes of the parent with them',
    { cpu: { cpus: '0-1' } },
    ['cpuset.cpus=0-1'],
    ['cpuset.mems=0', 'cpuset.cpus=0-1'],
  ],
  ['memory nodes', { cpu: { mems: '0' } }, ['cpuset.mems=0'], ['cpuset.cpus=0-3', 'cpuset.mems=0']],
  ['processes', { pids: { limit: 7 } }, ['pids.max=7'], ['pids.max=7']],
  ['any number of processes', { pids: { limit: -1 } }, ['pids.max=max'], ['pids.max=max']],
  [
    'the weight of disks',
    { blockIO: { weight: 500, weightDevice: [{ ...disk, weight: 10 }] } },
    ['io.bfq.weight=default 500', 'io.weight=default 4950', 'io.bfq.weight=8:0 10', 'io.weight=8:0 1'],
    ['blkio.bfq.weight=500', 'blkio.bfq.weight_device=8:0 10'],
  ],
  [
    'rates of disks: v2 has one line for a device',
    {
      blockIO: {
        throttleReadBpsDevice: [{ ...disk, rate: 1 }],
        throttleWriteIOPSDevice: [
          { ...disk, rate: 0 },
          { major: 8, minor: 16, rate: 4 },
        ],
      },
    },
    ['io.max=8:0 rbps=1 wiops=max', 'io.max=8:16 wiops=4'],
    [
      'blkio.throttle.read_bps_device=8:0 1',
      'blkio.throttle.write_iops_device=8:0 0',
      'blkio.throttle.write_iops_device=8:16 4',
    ],
  ],
  [
    'huge pages',
    { hugepageLimits: [{ pageSize: '2MB', limit: 4096 }] },
    ['hugetlb.2MB.rsvd.max=4096', 'hugetlb.2MB.max=4096'],
    ['hugetlb.2MB.rsvd.limit_in_bytes=4096', 'hugetlb.2MB.limit_in_bytes=4096'],
  ],
  [
    'RDMA',
    { rdma: { mlx5_1: { hcaHandles: 3 } } },
    ['rdma.max=mlx5_1 hca_handle=3 hca_object=max'],
    ['rdma.max=mlx5_1 hca_handle=3 hca_object=max'],
  ],
])('%s, in v2 and in v1', (_what, resources, v2, v1) => {
  expect(lines(V2, resources)).toEqual(v2);
  expect(lines(V1, resources)).toEqual(v1);
});

test('v1 alone has the class and the priority of network traffic, and a limit of the buffers of TCP', () => {
  const resources: ResourcesSpec = {
    network: { classID: 1048577, priorities: [{ name: 'eth0', priority: 500 }] },
    memory: { kernelTCP: 4096 },
  };
  const host: CgroupHost = {
    ...V1,
    v1: {
      ...V1.v1,
      net_cls: { mount: hostPath('/sys/fs/cgroup/net_cls'), base: '/' },
      net_prio: { mount: hostPath('/sys/fs/cgroup/net_prio'), base: '/' },
    },
  };
  expect(lines(host, resources)).toEqual([
    'memory.kmem.tcp.limit_in_bytes=4096',
    'net_cls.classid=1048577',
    'net_prio.ifpriomap=eth0 500',
  ]);
  expect(lines(V2, { network: {}, memory: { kernelTCP: -1 } })).toEqual([]);
  expect(() => lines(V2, { network: { classID: 1 } })).toThrow('this host has no cgroup controller net_cls');
  expect(() => lines(V2, { memory: { kernelTCP: 1 } })).toThrow('no memory.kmem.tcp.limit_in_bytes');
});

test('v1 alone has swappiness, waiting for memory, and realtime', () => {
  const resources = {
    memory: { swappiness: 0, disableOOMKiller: true },
    cpu: { realtimeRuntime: 5, realtimePeriod: 10 },
  };
  expect(lines(V1, resources)).toEqual([
    'memory.swappiness=0',
    'memory.oom_control=1',
    'cpu.rt_period_us=10',
    'cpu.rt_runtime_us=5',
  ]);
  expect(() => lines(V2, { memory: { swappiness: 0 } })).toThrow('this host has no memory.swappiness');
  expect(() => lines(V2, { memory: { disableOOMKiller: true } })).toThrow('no memory.oom_control');
  const refused = [
    [{ memory: { swappiness: 0 } }, '--memory-swappiness'],
    [{ memory: { disableOOMKiller: true } }, '--oom-kill-disable'],
    [{ cpu: { realtimeRuntime: 5 } }, '--cpu-rt-runtime'],
  ] as const;
  for (const [resources, flag] of refused)
    expect(() => lines(V2, resources)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('cgroup v2 has none, only v1 does'),
        hint: expect.stringContaining(`leave out ${flag}`),
      }),
    );
  expect(() => lines(V2, { cpu: resources.cpu })).toThrow('no cpu.rt_runtime_us');
});

test('in v1 a cgroup that has limits can get higher and lower ones: memory never exceeds both together', () => {
  expect(lines(V1, { memory: { limit: 100, swap: 250 }, cpu: { cpus: '0' } }, true)).toEqual([
    'memory.memsw.limit_in_bytes=-1',
    'memory.limit_in_bytes=100',
    'memory.memsw.limit_in_bytes=250',
    'cpuset.cpus=0',
  ]);
});

test('in v1 a new period of a cgroup that has limits may come before the new quota, or only after it', () => {
  expect(resourceWrites(V1, { cpu: { period: 10, quota: 3 } }, { changing: true })).toMatchObject([
    { file: 'cpu.cfs_period_us', value: '10', tolerate: ['EINVAL'] },
    { file: 'cpu.cfs_quota_us', value: '3' },
    { file: 'cpu.cfs_period_us', value: '10' },
  ]);
  expect(lines(V1, { cpu: { period: 10 } }, true)).toEqual(['cpu.cfs_period_us=10']);
});

test('every write says where it goes and why', () => {
  expect(resourceWrites(V1, { pids: { limit: 7 } }, { changing: false })).toEqual([
    {
      version: 1,
      controller: 'pids',
      file: 'pids.max',
      value: '7',
      why: 'A fork bomb ends at 7 processes and threads.',
    },
  ]);
});

test.each([
  [0, 1],
  [2, 1],
  [10, 1],
  [256, 25],
  [1024, 100],
  [4096, 400],
  [102_400, 10_000],
  [262_144, 10_000],
])('%i shares are the weight %i', (shares, weight) => {
  expect(weightOfShares(shares)).toBe(weight);
});

test.each([
  [10, 1],
  [100, 910],
  [1000, 10_000],
])('the disk weight %i is %i in v2', (weight, expected) => {
  expect(ioWeight(weight)).toBe(expected);
});

test('files of v2 can be given by name, but none of another cgroup, and none that moves processes', () => {
  const unified = (file: string) => lines(V2, { unified: { [file]: '1' } });
  expect(unified('memory.high')).toEqual(['memory.high=1']);
  expect(unified('cgroup.max.depth')).toEqual(['cgroup.max.depth=1']);
  for (const file of ['../memory.max', 'memory.max/..', 'x/memory.max', 'memory'])
    expect(() => unified(file), file).toThrow('the specified key has not the form CONTROLLER.VALUE');
  for (const file of ['misc.max', 'cgroup.procs'])
    expect(() => unified(file), file).toThrow(
      /the requested cgroup controller `(misc|cgroup)` is not available/,
    );
  expect(() => lines(V1, { unified: { 'memory.high': '1' } })).toThrow('Cannot write "memory.high"');
});

test.each<ResourcesSpec>([
  { memory: { swap: 100 } },
  { memory: { limit: 100, swap: 50 } },
  { hugepageLimits: [{ pageSize: '2MB/../x', limit: 1 }] },
  { rdma: { 'a b': {} } },
])('%j makes no sense', (resources) => {
  expect(() => lines(V2, resources)).toThrow(/^Cannot limit /);
});
