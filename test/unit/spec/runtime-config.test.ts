/** What a config.json may say, what it may not, and where in it the fault is said to be. */
import { describe, expect, test } from 'vitest';
import { parseResources } from '../../../src/spec/resources-config.ts';
import { inBundle, parseProcessSpec, parseRuntimeSpec } from '../../../src/spec/runtime-config.ts';

const MINIMAL = {
  ociVersion: '1.0.2-dev',
  root: { path: 'rootfs' },
  process: { cwd: '/', args: ['sh'] },
};

const parse = (config: object) => parseRuntimeSpec(JSON.stringify(config));
const withProcess = (process: object) => ({ ...MINIMAL, process: { ...MINIMAL.process, ...process } });
const withLinux = (linux: object) => ({ ...MINIMAL, linux });
const withResources = (resources: object) => withLinux({ resources });

describe('what engines write is read', () => {
  test('a minimal configuration: what is absent has its default', () => {
    expect(parse(MINIMAL)).toEqual({
      ociVersion: '1.0.2-dev',
      root: { path: 'rootfs' },
      process: { terminal: false, cwd: '/', args: ['sh'], env: [], user: { uid: 0, gid: 0 } },
      mounts: [],
      linux: { namespaces: [] },
    });
  });

  test('null and "" count as absent, as encoders of Go write them', () => {
    const config = {
      ...withProcess({ env: null, capabilities: null, rlimits: null, apparmorProfile: '', selinuxLabel: '' }),
      hostname: '',
      mounts: null,
      hooks: { prestart: null },
      annotations: null,
      linux: {
        namespaces: [{ type: 'pid', path: '' }],
        devices: null,
        resources: { devices: null, memory: null, cpu: { cpus: '' }, pids: {} },
        cgroupsPath: '',
        rootfsPropagation: '',
        mountLabel: '',
        sysctl: null,
        seccomp: null,
      },
    };
    expect(parse(config)).toEqual({
      ...parse(MINIMAL),
      hooks: {},
      linux: { namespaces: [{ type: 'pid' }], resources: { cpu: {} } },
    });
  });

  test('the process may be left out: what is created is not yet started', () => {
    const { process: _, ...config } = MINIMAL;
    expect(parse(config).process).toBeUndefined();
  });

  test('properties that nobody knows are ignored', () => {
    const config = { ...withProcess({ commandLine: 'x', later: 1 }), windows: { later: {} }, later: [] };
    expect(parse(config)).toEqual(parse(MINIMAL));
  });

  test('numbers of 64 bits stay exact', () => {
    const config = JSON.stringify(
      withProcess({ rlimits: [{ type: 'RLIMIT_CORE', soft: 1, hard: 'BIG' }] }),
    ).replace('"BIG"', '18446744073709551615');
    expect(parseRuntimeSpec(config).process?.rlimits).toEqual([
      { type: 'RLIMIT_CORE', soft: 1, hard: 18446744073709551615n },
    ]);
  });

  test('a limit that no machine reaches is none', () => {
    const text =
      '{"memory":{"limit":9223372036854771712,"swap":-1,"swappiness":18446744073709551615},' +
      '"hugepageLimits":[{"pageSize":"2MB","limit":9223372036854771712}]}';
    expect(parseResources(text)).toEqual({
      memory: { limit: -1, swap: -1 },
      hugepageLimits: [{ pageSize: '2MB', limit: -1 }],
    });
  });

  test('a limit of memory of 0 is one that nobody set', () => {
    expect(parseResources('{"memory":{"limit":0,"swap":0}}')).toEqual({ memory: {} });
  });

  test('seccomp with a default errno', () => {
    const seccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: null }],
    };
    expect(parse(withLinux({ seccomp })).linux.seccomp).toEqual({
      ...seccomp,
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
    });
  });

  test('a relative destination is one from the root, as old tools write it', () => {
    const config = { ...MINIMAL, mounts: [{ destination: 'dev/../tmp', type: 'tmpfs' }] };
    expect(parse(config).mounts).toEqual([{ destination: '/tmp', type: 'tmpfs' }]);
  });

  test('a propagation with an r before it, and rules for every device number', () => {
    const devices = [{ allow: false, access: 'rwm', major: -1, minor: null }];
    expect(parse(withLinux({ rootfsPropagation: 'rslave', resources: { devices } })).linux).toEqual({
      namespaces: [],
      rootfsPropagation: 'rslave',
      resources: { devices: [{ allow: false, access: 'rwm', major: -1 }] },
    });
  });
});

test('paths that may be relative to the bundle are made absolute, and no others', () => {
  const spec = parse({
    ...MINIMAL,
    mounts: [
      { destination: '/a', source: 'files/a', options: ['rbind'] },
      { destination: '/b', source: '/srv/b', type: 'bind' },
      { destination: '/proc', type: 'proc', source: 'proc' },
    ],
  });
  const { root, mounts } = inBundle(spec, '/run/bundle');
  expect(root.path).toBe('/run/bundle/rootfs');
  expect(mounts.map((mount) => mount.source)).toEqual(['/run/bundle/files/a', '/srv/b', 'proc']);
});

test('a process by itself is read as that of a configuration', () => {
  expect(parseProcessSpec('{"cwd":"/","args":["id"],"user":{"uid":1,"gid":2}}').user).toEqual({
    uid: 1,
    gid: 2,
  });
  expect(() => parseProcessSpec('{"cwd":"etc","args":["id"]}')).toThrow(
    'process.cwd is "etc": expected an absolute path',
  );
});

describe('what breaks the schema is refused with its path', () => {
  const rule = { names: ['read'], action: 'SCMP_ACT_ALLOW' };
  test.each<[string, unknown]>([
    ['config.json is a list: expected an object', []],
    ['ociVersion is missing: expected a string', { ...MINIMAL, ociVersion: undefined }],
    ['ociVersion is "1.3": expected a version such as 1.3.0', { ...MINIMAL, ociVersion: '1.3' }],
    [
      'ociVersion is "2.0.0": expected a version 1.x.y of the specification',
      { ...MINIMAL, ociVersion: '2.0.0' },
    ],
    ['root is missing: expected an object', { ...MINIMAL, root: undefined }],
    ['root.path is "": expected a path', { ...MINIMAL, root: { path: '' } }],
    ['root.readonly is "no": expected true or false', { ...MINIMAL, root: { path: 'r', readonly: 'no' } }],
    ['root.path is "a\\u0000b": expected a string without NUL', { ...MINIMAL, root: { path: 'a\0b' } }],
    ['process.args is missing: expected the program and its arguments', withProcess({ args: undefined })],
    ['process.args is a list: expected the program and its arguments', withProcess({ args: [] })],
    ['process.args[1] is 7: expected a string', withProcess({ args: ['sh', 7] })],
    ['process.cwd is "": expected an absolute path', withProcess({ cwd: '' })],
    ['process.env is an object: expected a list', withProcess({ env: {} })],
    [
      'process.user.uid is 4294967295: expected an integer from 0 to 4294967294',
      withProcess({ user: { uid: 4294967295 } }),
    ],
    ['process.user.uid is missing: expected an integer', withProcess({ user: { gid: 0 } })],
    ['process.user.gid is missing: expected an integer', withProcess({ user: { uid: 0 } })],
    [
      'process.ioPriority.priority is missing: expected an integer',
      withProcess({ ioPriority: { class: 'IOPRIO_CLASS_BE' } }),
    ],
    [
      'process.user.gid is -1: expected an integer from 0 to 4294967294',
      withProcess({ user: { uid: 0, gid: -1 } }),
    ],
    [
      'process.user.additionalGids[0] is "5": expected an integer',
      withProcess({ user: { uid: 0, gid: 0, additionalGids: ['5'] } }),
    ],
    [
      'process.consoleSize.width is missing: expected an integer',
      withProcess({ consoleSize: { height: 1 } }),
    ],
    [
      'process.rlimits[0].type is "nofile": expected a limit such as RLIMIT_NOFILE',
      withProcess({ rlimits: [{ type: 'nofile', soft: 1, hard: 1 }] }),
    ],
    [
      'process.rlimits[0].soft is -1: expected an integer from 0 to 2^64-1',
      withProcess({ rlimits: [{ type: 'RLIMIT_CORE', soft: -1, hard: 1 }] }),
    ],
    [
      'process.rlimits[1].type is "RLIMIT_CORE": expected each limit once',
      withProcess({ rlimits: [1, 2].map((n) => ({ type: 'RLIMIT_CORE', soft: n, hard: n })) }),
    ],
    [
      'process.scheduler.policy is "FIFO": expected one of SCHED_OTHER',
      withProcess({ scheduler: { policy: 'FIFO' } }),
    ],
    [
      'process.ioPriority.priority is 8: expected an integer from 0 to 7',
      withProcess({ ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 8 } }),
    ],
    [
      'process.execCPUAffinity.initial is "all": expected a list of processors',
      withProcess({ execCPUAffinity: { initial: 'all' } }),
    ],
    ['mounts[0].destination is missing: expected a string', { ...MINIMAL, mounts: [{ type: 'tmpfs' }] }],
    [
      'mounts[1].options[0] is null: expected a string',
      { ...MINIMAL, mounts: [{ destination: '/a' }, { destination: '/b', options: [null] }] },
    ],
    [
      'mounts[0].gidMappings is missing: expected mappings of users and of groups',
      { ...MINIMAL, mounts: [{ destination: '/a', uidMappings: [] }] },
    ],
    [
      'hooks.prestart[0].path is "true": expected an absolute path',
      { ...MINIMAL, hooks: { prestart: [{ path: 'true' }] } },
    ],
    [
      'hooks.poststop[0].timeout is 0: expected an integer from 1',
      { ...MINIMAL, hooks: { poststop: [{ path: '/a', timeout: 0 }] } },
    ],
    ['annotations.key is 5: expected a string', { ...MINIMAL, annotations: { key: 5 } }],
    ['a key of annotations is "": expected a name', { ...MINIMAL, annotations: { '': 'value' } }],
    [
      'linux.namespaces[2].type is "net": expected one of pid, network',
      withLinux({ namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'net' }] }),
    ],
    [
      'linux.namespaces[0].path is "ns": expected an absolute path',
      withLinux({ namespaces: [{ type: 'pid', path: 'ns' }] }),
    ],
    [
      'linux.uidMappings[0].size is missing: expected an integer',
      withLinux({ uidMappings: [{ containerID: 0, hostID: 0 }] }),
    ],
    [
      'a key of linux.timeOffsets is "realtime": expected monotonic or boottime',
      withLinux({ timeOffsets: { realtime: {} } }),
    ],
    [
      'linux.devices[0].major is missing: expected an integer',
      withLinux({ devices: [{ type: 'c', path: '/dev/x' }] }),
    ],
    [
      'linux.devices[0].type is "x": expected one of c, b, u, p',
      withLinux({ devices: [{ type: 'x', path: '/dev/x' }] }),
    ],
    [
      'linux.devices[0].path is "dev/x": expected an absolute path',
      withLinux({ devices: [{ type: 'p', path: 'dev/x' }] }),
    ],
    ['linux.maskedPaths[1] is "etc": expected an absolute path', withLinux({ maskedPaths: ['/a', 'etc'] })],
    ['linux.readonlyPaths[0] is "etc": expected an absolute path', withLinux({ readonlyPaths: ['etc'] })],
    ['linux.rootfsPropagation is "none": expected one of private', withLinux({ rootfsPropagation: 'none' })],
    [
      'linux.personality.domain is "BSD": expected one of LINUX, LINUX32',
      withLinux({ personality: { domain: 'BSD' } }),
    ],
    ['linux.memoryPolicy.mode is missing: expected one of MPOL_DEFAULT', withLinux({ memoryPolicy: {} })],
    [
      'linux.intelRdt.memBwSchema is "L3:0=f": expected a line that begins with MB:',
      withLinux({ intelRdt: { memBwSchema: 'L3:0=f' } }),
    ],
    [
      'linux.intelRdt.schemata[0] is "L3:0=f\\nMB:0=20": expected one line',
      withLinux({ intelRdt: { schemata: ['L3:0=f\nMB:0=20'] } }),
    ],
    ['linux.sysctl.a is true: expected a string', withLinux({ sysctl: { a: true } })],
    [
      'linux.seccomp.syscalls[0].names is empty',
      withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...rule, names: [] }] } }),
    ],
    [
      'linux.seccomp.listenerMetadata is set without a listenerPath',
      withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerMetadata: 'x' } }),
    ],
    ['linux.resources.devices[0].allow is missing: expected true or false', withResources({ devices: [{}] })],
    [
      'linux.resources.devices[0].access is "x": expected some of r, w and m',
      withResources({ devices: [{ allow: true, access: 'x' }] }),
    ],
    ['linux.resources.memory.limit is 1.5: expected an integer', withResources({ memory: { limit: 1.5 } })],
    [
      'linux.resources.memory.swappiness is 101: expected an integer from 0 to 100',
      withResources({ memory: { swappiness: 101 } }),
    ],
    ['linux.resources.cpu.shares is -1: expected an integer from 0', withResources({ cpu: { shares: -1 } })],
    [
      'linux.resources.blockIO.weightDevice[0].weight is missing: expected a weight or a leafWeight',
      withResources({ blockIO: { weightDevice: [{ major: 8, minor: 0 }] } }),
    ],
    [
      'linux.resources.hugepageLimits[0].pageSize is "2M": expected a size such as 2MB',
      withResources({ hugepageLimits: [{ pageSize: '2M', limit: 0 }] }),
    ],
    [
      'linux.resources.network.priorities[0].name is missing: expected a string',
      withResources({ network: { priorities: [{ priority: 1 }] } }),
    ],
    [
      'linux.resources.rdma.mlx5.hcaHandles is missing: expected hcaHandles or hcaObjects',
      withResources({ rdma: { mlx5: {} } }),
    ],
    ['linux.resources.unified.x is 1: expected a string', withResources({ unified: { x: 1 } })],
  ])('%s', (message, config) => {
    expect(() => parseRuntimeSpec(JSON.stringify(config))).toThrow(message);
  });

  test('what is no JSON at all', () => {
    expect(() => parseRuntimeSpec('{')).toThrow('Cannot read config.json: it is not JSON');
  });
});
