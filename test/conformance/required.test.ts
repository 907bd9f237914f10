/** Every property that is REQUIRED, taken away: a configuration without it says nothing that could be created. */
import { type Change, without } from './support/config.ts';
import { error } from './support/container.ts';
import { controller } from './support/host.ts';
import { section } from './support/section.ts';

/** [section, sentence, the configuration without the property, the cgroup controller that it is for] */
type Requirement = readonly [string, string, Change, string?];

const REQUIRED: readonly Requirement[] = [
  [
    'config.md, Mounts',
    '`destination` (string, REQUIRED) Destination of mount point: path inside container.',
    ({ mounts }) => {
      const mount = { destination: '/mnt', type: 'tmpfs', source: 'tmpfs' };
      without(mount, 'destination');
      mounts.push(mount);
    },
  ],
  [
    'config.md, Process',
    '`cwd` (string, REQUIRED) is the working directory that will be set for the executable.',
    ({ process }) => without(process, 'cwd'),
  ],
  [
    'config.md, Process',
    '`height` (uint, REQUIRED)',
    ({ process }) => {
      process.terminal = true;
      process.consoleSize = { height: 30, width: 90 };
      without(process.consoleSize, 'height');
    },
  ],
  [
    'config.md, Process',
    '`width` (uint, REQUIRED)',
    ({ process }) => {
      process.terminal = true;
      process.consoleSize = { height: 30, width: 90 };
      without(process.consoleSize, 'width');
    },
  ],
  ...(['type', 'soft', 'hard'] as const).map(
    (property): Requirement => [
      'config.md, POSIX process',
      {
        type: '`type` (string, REQUIRED) the platform resource being limited.',
        soft: '`soft` (uint64, REQUIRED) the value of the limit enforced for the corresponding resource.',
        hard: '`hard` (uint64, REQUIRED) the ceiling for the soft limit that could be set by an unprivileged process.',
      }[property],
      ({ process }) => {
        const limit = { type: 'RLIMIT_NOFILE', soft: 100, hard: 100 };
        without(limit, property);
        process.rlimits = [limit];
      },
    ],
  ),
  [
    'config.md, Linux Process',
    '`policy` (string, REQUIRED) represents the scheduling policy.',
    ({ process }) => {
      process.scheduler = { policy: 'SCHED_BATCH', nice: 1 };
      without(process.scheduler, 'policy');
    },
  ],
  [
    'config.md, Linux Process',
    '`class` (string, REQUIRED) specifies the I/O scheduling class.',
    ({ process }) => {
      process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 3 };
      without(process.ioPriority, 'class');
    },
  ],
  [
    'config.md, Linux Process',
    '`priority` (int, REQUIRED) specifies the priority level within the class.',
    ({ process }) => {
      process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 3 };
      without(process.ioPriority, 'priority');
    },
  ],
  [
    'config.md, POSIX-platform User',
    '`uid` (int, REQUIRED) specifies the user ID in the container namespace.',
    ({ process }) => without(process.user, 'uid'),
  ],
  [
    'config.md, POSIX-platform User',
    '`gid` (int, REQUIRED) specifies the group ID in the container namespace.',
    ({ process }) => without(process.user, 'gid'),
  ],
  [
    'config.md, POSIX-platform Hooks',
    "`path` (string, REQUIRED) with similar semantics to IEEE Std 1003.1-2008 `execv`'s path.",
    (config) => {
      const hook = { path: '/bin/true', args: ['true'] };
      without(hook, 'path');
      config.hooks = { createRuntime: [hook] };
    },
  ],
  [
    'config-linux.md, Namespaces',
    '`type` (string, REQUIRED) - namespace type.',
    ({ linux }) => {
      const namespace = { type: 'cgroup' };
      without(namespace, 'type');
      linux.namespaces.push(namespace);
    },
  ],
  ...(['containerID', 'hostID', 'size'] as const).map(
    (property): Requirement => [
      'config-linux.md, User namespace mappings',
      {
        containerID: '`containerID` (uint32, REQUIRED) - is the starting uid/gid in the container.',
        hostID:
          '`hostID` (uint32, REQUIRED) - is the starting uid/gid on the host to be mapped to containerID.',
        size: '`size` (uint32, REQUIRED) - is the number of ids to be mapped.',
      }[property],
      ({ linux }) => {
        const mapping = { containerID: 0, hostID: 100000, size: 65536 };
        linux.namespaces.push({ type: 'user' });
        linux.gidMappings = [{ ...mapping }];
        without(mapping, property);
        linux.uidMappings = [mapping];
      },
    ],
  ),
  ...(['type', 'path', 'major'] as const).map(
    (property): Requirement => [
      'config-linux.md, Devices',
      {
        type: '`type` (string, REQUIRED) - type of device:',
        path: '`path` (string, REQUIRED) - full path to device inside container.',
        major: '`major, minor` (int64, REQUIRED unless `type` is `p`) - major, minor numbers for the device.',
      }[property],
      ({ linux }) => {
        const device = { type: 'c', path: '/dev/one', major: 10, minor: 229 };
        without(device, property);
        linux.devices = [device];
      },
    ],
  ),
  [
    'config-linux.md, Allowed Device list',
    '`allow` (boolean, REQUIRED) - whether the entry is allowed or denied.',
    ({ linux }) => {
      const entry = { allow: true, type: 'c', major: 10, minor: 229, access: 'r' };
      without(entry, 'allow');
      linux.resources = { devices: [entry] };
    },
  ],
  ...(['major', 'rate'] as const).map(
    (property): Requirement => [
      'config-linux.md, Block IO',
      {
        major: '`major, minor` (int64, REQUIRED) - major, minor numbers for device.',
        rate: '`rate` (uint64, REQUIRED) - bandwidth rate limit in bytes per second for the device',
      }[property],
      ({ linux }) => {
        const entry = { major: 7, minor: 0, rate: 1024 };
        without(entry, property);
        linux.resources = { blockIO: { throttleReadBpsDevice: [entry] } };
      },
      'blkio',
    ],
  ),
  [
    'config-linux.md, Block IO',
    'You MUST specify at least one of `weight` or `leafWeight` in a given entry, and MAY specify both.',
    ({ linux }) => {
      linux.resources = { blockIO: { weightDevice: [{ major: 7, minor: 0 }] } };
    },
    'blkio',
  ],
  ...(['pageSize', 'limit'] as const).map(
    (property): Requirement => [
      'config-linux.md, Huge page limits',
      {
        pageSize: '`pageSize` (string, REQUIRED) - hugepage size.',
        limit:
          '`limit` (uint64, REQUIRED) - limit in bytes of hugepagesize HugeTLB reservations (if supported) or usage.',
      }[property],
      ({ linux }) => {
        const entry = { pageSize: '2MB', limit: 2 ** 21 };
        without(entry, property);
        linux.resources = { hugepageLimits: [entry] };
      },
      'hugetlb',
    ],
  ),
  ...(['name', 'priority'] as const).map(
    (property): Requirement => [
      'config-linux.md, Network',
      {
        name: '`name` (string, REQUIRED) - interface name in runtime network namespace',
        priority: '`priority` (uint32, REQUIRED) - priority applied to the interface',
      }[property],
      ({ linux }) => {
        const entry = { name: 'lo', priority: 5 };
        without(entry, property);
        linux.resources = { network: { priorities: [entry] } };
      },
      'net_prio',
    ],
  ),
  [
    'config-linux.md, Memory policy',
    '`mode` (string, REQUIRED) -',
    ({ linux }) => {
      linux.memoryPolicy = { mode: 'MPOL_BIND', nodes: '0' };
      without(linux.memoryPolicy, 'mode');
    },
  ],
  [
    'config-linux.md, Seccomp',
    '`defaultAction` (string, REQUIRED) - the default action for seccomp.',
    ({ linux }) => {
      linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] };
      without(linux.seccomp, 'defaultAction');
    },
  ],
  ...(['names', 'action'] as const).map(
    (property): Requirement => [
      'config-linux.md, Seccomp',
      {
        names: '`names` (array of strings, REQUIRED) - the names of the syscalls.',
        action: '`action` (string, REQUIRED) - the action for seccomp rules.',
      }[property],
      ({ linux }) => {
        const rule = { names: ['sethostname'], action: 'SCMP_ACT_ERRNO' };
        without(rule, property);
        linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] };
      },
    ],
  ),
  ...(['index', 'value', 'op'] as const).map(
    (property): Requirement => [
      'config-linux.md, Seccomp',
      {
        index: '`index` (uint, REQUIRED) - the index for syscall arguments in seccomp.',
        value: '`value` (uint64, REQUIRED) - the value for syscall arguments in seccomp.',
        op: '`op` (string, REQUIRED) - the operator for syscall arguments in seccomp.',
      }[property],
      ({ linux }) => {
        const condition = { index: 0, value: 1, op: 'SCMP_CMP_EQ' };
        without(condition, property);
        const rule = { names: ['sethostname'], action: 'SCMP_ACT_ERRNO', args: [condition] };
        linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] };
      },
    ],
  ),
  [
    'config-linux.md, Personality',
    '`domain` (string, REQUIRED) - the execution domain.',
    ({ linux }) => {
      linux.personality = { domain: 'LINUX' };
      without(linux.personality, 'domain');
    },
  ],
];

for (const [name, sentence, change, needed] of REQUIRED)
  section(name)(sentence, 'it is missing', async (box) => {
    if (needed !== undefined) box.needs(controller(needed));
    const container = box.container(change);
    await error(container.create().then(() => container.start()));
  });
