import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { cgroupMounts, readCgroup } from './support/cgroups.ts';
import type { Resources } from './support/config.ts';
import { error } from './support/container.ts';
import { cgroupV1, cgroupV2Only, controller } from './support/host.ts';
import { section } from './support/section.ts';

/** [section, sentence, resources, controller, file of version 1 and its content, the same of version 2] */
type Setting = readonly [
  string,
  string,
  Resources,
  string,
  readonly [string, string] | undefined,
  readonly [string, string | RegExp] | undefined,
];

const MIB = 2 ** 20;

const SETTINGS: readonly Setting[] = [
  [
    'Memory',
    '`limit` (int64, OPTIONAL) - sets limit of memory usage',
    { memory: { limit: 64 * MIB } },
    'memory',
    ['memory.limit_in_bytes', `${64 * MIB}`],
    ['memory.max', `${64 * MIB}`],
  ],
  [
    'Memory',
    '`reservation` (int64, OPTIONAL) - sets soft limit of memory usage',
    { memory: { reservation: 32 * MIB } },
    'memory',
    ['memory.soft_limit_in_bytes', `${32 * MIB}`],
    ['memory.low', `${32 * MIB}`],
  ],
  [
    'Memory',
    '`swap` (int64, OPTIONAL) - sets limit of memory+Swap usage',
    { memory: { limit: 64 * MIB, swap: 96 * MIB } },
    'memory',
    ['memory.memsw.limit_in_bytes', `${96 * MIB}`],
    ['memory.swap.max', `${32 * MIB}`],
  ],
  [
    'Memory',
    "`swappiness` (uint64, OPTIONAL) - sets swappiness parameter of vmscan (See sysctl's vm.swappiness)",
    { memory: { swappiness: 37 } },
    'memory',
    ['memory.swappiness', '37'],
    undefined,
  ],
  [
    'CPU',
    '`shares` (uint64, OPTIONAL) - specifies a relative share of CPU time available to the tasks in a cgroup',
    { cpu: { shares: 512 } },
    'cpu',
    ['cpu.shares', '512'],
    // There are two conversions in use; both make half of the default less than the default.
    ['cpu.weight', /^[1-9]\d?$/],
  ],
  [
    'CPU',
    '`quota` (int64, OPTIONAL) - specifies the total amount of time in microseconds for which all tasks in a cgroup can run during one period (as defined by `period` below)',
    { cpu: { quota: 30000, period: 60000 } },
    'cpu',
    ['cpu.cfs_quota_us', '30000'],
    ['cpu.max', '30000 60000'],
  ],
  [
    'CPU',
    "`period` (uint64, OPTIONAL) - specifies a period of time in microseconds for how regularly a cgroup's access to CPU resources should be reallocated (CFS scheduler only)",
    { cpu: { quota: 30000, period: 60000 } },
    'cpu',
    ['cpu.cfs_period_us', '60000'],
    ['cpu.max', '30000 60000'],
  ],
  [
    'CPU',
    '`burst` (uint64, OPTIONAL) - specifies the maximum amount of accumulated time in microseconds for which all tasks in a cgroup can run additionally for burst during one period (as defined by `period` below)',
    { cpu: { quota: 30000, period: 60000, burst: 10000 } },
    'cpu',
    ['cpu.cfs_burst_us', '10000'],
    ['cpu.max.burst', '10000'],
  ],
  [
    'CPU',
    '`cpus` (string, OPTIONAL) - list of CPUs the container will run on.',
    { cpu: { cpus: '0' } },
    'cpuset',
    ['cpuset.cpus', '0'],
    ['cpuset.cpus', '0'],
  ],
  [
    'CPU',
    '`mems` (string, OPTIONAL) - list of memory nodes the container will run on.',
    { cpu: { cpus: '0', mems: '0' } },
    'cpuset',
    ['cpuset.mems', '0'],
    ['cpuset.mems', '0'],
  ],
  [
    'CPU',
    '`idle` (int64, OPTIONAL) - cgroups are configured with minimum weight, 0: default behavior, 1: SCHED_IDLE.',
    { cpu: { idle: 1 } },
    'cpu',
    ['cpu.idle', '1'],
    ['cpu.idle', '1'],
  ],
  [
    'PIDs',
    '`limit` (int64, OPTIONAL) - specifies the maximum number of tasks in the cgroup, with `-1` indicating no limit (`max`).',
    { pids: { limit: 321 } },
    'pids',
    ['pids.max', '321'],
    ['pids.max', '321'],
  ],
  [
    'PIDs',
    '`limit` (int64, OPTIONAL) - specifies the maximum number of tasks in the cgroup, with `-1` indicating no limit (`max`).',
    { pids: { limit: -1 } },
    'pids',
    ['pids.max', 'max'],
    ['pids.max', 'max'],
  ],
  [
    'Huge page limits',
    '`limit` (uint64, REQUIRED) - limit in bytes of hugepagesize HugeTLB reservations (if supported) or usage.',
    { hugepageLimits: [{ pageSize: '2MB', limit: 8 * MIB }] },
    'hugetlb',
    ['hugetlb.2MB.rsvd.limit_in_bytes', `${8 * MIB}`],
    ['hugetlb.2MB.rsvd.max', `${8 * MIB}`],
  ],
  [
    'Network',
    "`classID` (uint32, OPTIONAL) - is the network class identifier the cgroup's network packets will be tagged with",
    { network: { classID: 1048577 } },
    'net_cls',
    ['net_cls.classid', '1048577'],
    undefined,
  ],
];

/** On a hybrid host every controller is of the version whose hierarchy has it. */
function versionOf(name: string): 1 | 2 {
  return cgroupMounts().some(({ controllers }) => controllers.includes(name)) ? 1 : 2;
}

for (const [index, [name, sentence, resources, needed, v1, v2]] of SETTINGS.entries())
  section(`config-linux.md, ${name}`)(sentence, JSON.stringify(Object.values(resources)[0]), async (box) => {
    box.needs(controller(needed));
    const expected = versionOf(needed) === 1 ? v1 : v2;
    if (expected === undefined)
      return box.needs({ holds: false, otherwise: `cgroup v${versionOf(needed)} has no file for it` });
    const container = await box.created(({ linux }) => {
      linux.resources = resources;
    });
    const [file, content] = expected;
    expect([index, readCgroup(container.pid(), needed, file)]).toEqual([
      index,
      typeof content === 'string' ? content : expect.stringMatching(content),
    ]);
  });

const memory = section('config-linux.md, Memory');
const cpu = section('config-linux.md, CPU');
const unified = section('config-linux.md, Unified');
const devices = section('config-linux.md, Allowed Device list');
const blockIO = section('config-linux.md, Block IO');
const rdma = section('config-linux.md, RDMA');

memory('Values for memory specify the limit in bytes, or `-1` for unlimited memory.', async (box) => {
  box.needs(controller('memory'));
  const container = await box.created(({ linux }) => {
    linux.resources = { memory: { limit: -1 } };
  });
  const pid = container.pid();
  const limit =
    versionOf('memory') === 1
      ? readCgroup(pid, 'memory', 'memory.limit_in_bytes')
      : readCgroup(pid, 'memory', 'memory.max');
  expect(limit === 'max' || Number(limit) > 2 ** 60).toBe(true);
});

memory('`disableOOMKiller` (bool, OPTIONAL) - enables or disables the OOM killer.', async (box) => {
  box.needs(controller('memory'), cgroupV1);
  const container = await box.created(({ linux }) => {
    linux.resources = { memory: { limit: 64 * MIB, disableOOMKiller: true } };
  });
  expect(readCgroup(container.pid(), 'memory', 'memory.oom_control')).toMatch(/^oom_kill_disable 1$/m);
});

cpu(
  '`quota` (int64, OPTIONAL) - specifies the total amount of time in microseconds for which all tasks in a cgroup can run during one period (as defined by `period` below) If specified with any (valid) positive value, it MUST be no smaller than `burst` (runtimes MAY generate an error).',
  'what the kernel refuses, the runtime does not pass over',
  async (box) => {
    box.needs(controller('cpu'));
    const container = box.container(({ linux }) => {
      linux.resources = { cpu: { quota: 30000, period: 60000, burst: 50000 } };
    });
    await error(container.create());
  },
);

const ORDER = 'The runtime MUST apply entries in the listed order.';
// A device that no runtime allows by default. Whether there is a driver does not matter: not permitted is said first.
const OPEN = 'mknod /tmp/node c 10 229 2>/dev/null; dd if=/tmp/node of=/dev/null count=0 2>&1';
const NONE = { allow: false, access: 'rwm' };
const ONE = { allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' };

devices(ORDER, 'all denied, then one allowed', async (box) => {
  const output = await box.sh(OPEN, ({ linux }) => {
    linux.resources = { devices: [NONE, ONE] };
  });
  expect(output).not.toContain('not permitted');
});

devices(ORDER, 'one allowed, then all denied', async (box) => {
  const output = await box.sh(`${OPEN}; ls /tmp`, ({ linux }) => {
    linux.resources = { devices: [ONE, NONE] };
  });
  expect(output).toMatch(/not permitted|No such file/);
});

devices(ORDER, 'one allowed, then that one denied', async (box) => {
  const output = await box.sh(OPEN, ({ linux }) => {
    linux.resources = { devices: [NONE, ONE, { ...ONE, allow: false }] };
  });
  expect(output).toMatch(/not permitted|No such file/);
});

devices('`access` (string, OPTIONAL) - cgroup permissions for device.', 'reading only', async (box) => {
  const script =
    'mknod /tmp/node c 10 229; dd if=/tmp/node of=/dev/null count=0 2>&1; echo ---; echo x 2>&1 >>/tmp/node';
  const container = await box.started(({ process, linux }) => {
    linux.resources = { devices: [NONE, { ...ONE, access: 'rm' }] };
    process.args = ['sh', '-c', `(${script}) 2>&1`];
  });
  const [reading, writing] = (await container.exit()).split('---\n');
  expect(reading).not.toContain('not permitted');
  expect(writing).toContain('not permitted');
});

for (const [name, entry] of [
  ['a type that does not exist', { ...NONE, type: 'x' }],
  ['an access that does not exist', { ...ONE, access: 'rq' }],
] as const)
  devices(
    '`type` (string, OPTIONAL) - type of device: `a` (all), `c` (char), or `b` (block).',
    name,
    async (box) => {
      const container = box.container(({ linux }) => {
        linux.resources = { devices: [entry] };
      });
      await error(container.create());
    },
  );

unified(
  'The OCI runtime MUST ensure that the needed cgroup controllers are enabled for the cgroup.',
  async (box) => {
    box.needs(cgroupV2Only, controller('pids'));
    const container = await box.created(({ linux }) => {
      linux.cgroupsPath = `/${box.name}-1/below/own`;
      linux.resources = { unified: { 'pids.max': '99' } };
    });
    expect(readCgroup(container.pid(), 'pids', 'cgroup.controllers').split(' ')).toContain('pids');
    expect(readCgroup(container.pid(), 'pids', 'pids.max')).toBe('99');
  },
);

unified('Configuration unknown to the runtime MUST still be written to the relevant file.', async (box) => {
  box.needs(cgroupV2Only, controller('memory'));
  const container = await box.created(({ linux }) => {
    linux.resources = { unified: { 'memory.oom.group': '1', 'cgroup.max.depth': '7' } };
  });
  expect(readCgroup(container.pid(), 'memory', 'memory.oom.group')).toBe('1');
  expect(readCgroup(container.pid(), 'memory', 'cgroup.max.depth')).toBe('7');
});

for (const file of ['nosuchcontroller.max', 'memory.no_such_file', '../cgroup.procs'])
  unified(
    'The runtime MUST generate an error when the configuration refers to a cgroup controller that is not present or that cannot be enabled.',
    file,
    async (box) => {
      const container = box.container(({ linux }) => {
        linux.resources = { unified: { [file]: '1' } };
      });
      await error(container.create());
      expect(box.leftovers()).toEqual([]);
    },
  );

blockIO(
  '`rate` (uint64, REQUIRED) - bandwidth rate limit in bytes per second for the device',
  async (box) => {
    const device = blockDevice();
    box.needs(controller('blkio'), {
      holds: device !== undefined,
      otherwise: 'this host has no block device with a queue',
    });
    const [major = 0, minor = 0] = device ?? [];
    const container = await box.created(({ linux }) => {
      linux.resources = { blockIO: { throttleReadBpsDevice: [{ major, minor, rate: MIB }] } };
    });
    expect(readCgroup(container.pid(), 'blkio', 'blkio.throttle.read_bps_device')).toBe(
      `${major}:${minor} ${MIB}`,
    );
  },
);

blockIO('`rate` (uint64, REQUIRED) - IO rate limit for the device', async (box) => {
  const device = blockDevice();
  box.needs(controller('io'), {
    holds: device !== undefined,
    otherwise: 'this host has no block device with a queue',
  });
  const [major = 0, minor = 0] = device ?? [];
  const container = await box.created(({ linux }) => {
    linux.resources = { blockIO: { throttleWriteIOPSDevice: [{ major, minor, rate: 1000 }] } };
  });
  expect(readCgroup(container.pid(), 'io', 'io.max')).toMatch(
    new RegExp(`^${major}:${minor} .*wiops=1000`, 'm'),
  );
});

rdma(
  'You MUST specify at least one of the `hcaHandles` or `hcaObjects` in a given entry, and MAY specify both.',
  async (box) => {
    const container = box.container(({ linux }) => {
      linux.resources = { rdma: { mlx5_1: {} } };
    });
    await error(container.create());
  },
);

section('config-linux.md, Unified')(
  'If the conversion is not possible the runtime MUST generate an error.',
  'the network classes of cgroup v1',
  async (box) => {
    box.needs(cgroupV2Only);
    const container = box.container(({ linux }) => {
      linux.resources = { network: { classID: 1 } };
    });
    await error(container.create());
  },
);

/** The numbers of a whole disk: throttling takes no partition. */
function blockDevice(): readonly [number, number] | undefined {
  const lines = readFileSync('/proc/partitions', 'utf8').trim().split('\n').slice(2);
  const disk = lines
    .map((line) => line.trim().split(/\s+/))
    .find(([, , , name = '']) => /^([shv]d[a-z]+|nvme\d+n\d+|ubd[a-z])$/.test(name));
  return disk === undefined ? undefined : [Number(disk[0]), Number(disk[1])];
}
