/**
 * Containers as data: what the engine and other callers ask for, on a host that is described here and not read. Their
 * plans are the golden files, and the corpus that the checks of the executor start from.
 */

import type { ContainerOptions } from '../../src/engine/container-options.ts';
import { containerSpec } from '../../src/engine/container-spec.ts';
import type { NetworkPeer } from '../../src/engine/network-peer.ts';
import type { ResourceOptions } from '../../src/engine/resource-options.ts';
import { type ContainerId, hostPath } from '../../src/lib/brands.ts';
import type { OverlayRoot } from '../../src/mounts/plan-rootfs.ts';
import { type Endpoint, outsideEnd } from '../../src/network/endpoint.ts';
import { knownAddress, toAddress } from '../../src/network/ip-address.ts';
import type { Network } from '../../src/network/network.ts';
import { planNetDevices } from '../../src/network/plan-net-devices.ts';
import { type NetworkInput, type NetworkPlan, planNetwork } from '../../src/network/plan-network.ts';
import type { RulesInput } from '../../src/network/plan-rules.ts';
import { bindingsOf, type PublishedPort } from '../../src/network/published-port.ts';
import type { RulesHost } from '../../src/network/rules-host.ts';
import type { HostFacts, PlanInput } from '../../src/runtime/plan.ts';
import { maskedPaths } from '../../src/security/paths.ts';
import type { DeviceSpec, RuntimeSpec } from '../../src/spec/runtime.ts';
import { DEFAULT_OPTIONS, NO_NETWORK } from './container-options.ts';

export const HOST: HostFacts = {
  cgroup: {
    v2Mount: hostPath('/sys/fs/cgroup'),
    v2Controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids'],
    v2Base: '/',
    v2Busy: false,
    v1: {},
    countsSwap: true,
    hasSystemd: true,
  },
  boundingCapabilities: (1n << 41n) - 1n,
  arch: 'x86_64',
  ipv6: { available: true, forwarding: false, advertised: ['ens3'] },
  delegatedCgroupFiles: ['cgroup.procs', 'cgroup.subtree_control', 'memory.reclaim'],
  securityModules: ['apparmor', 'selinux'],
};

/** v1 holds the controllers, v2 none. */
export const HYBRID_HOST: HostFacts = {
  ...HOST,
  cgroup: {
    ...HOST.cgroup,
    v2Mount: hostPath('/sys/fs/cgroup/unified'),
    v2Controllers: [],
    v1: Object.fromEntries(
      ['blkio', 'cpu', 'cpuset', 'devices', 'memory', 'pids'].map((name) => [
        name,
        {
          mount: hostPath(`/sys/fs/cgroup/${name}`),
          base: '/caller',
          ...(name === 'cpuset' ? { cpuset: { cpus: '0-3', mems: '0' } } : {}),
        },
      ]),
    ),
  },
};

const DEVICES: readonly DeviceSpec[] = [
  { type: 'c', path: '/dev/kmsg', major: 1, minor: 11, fileMode: 0o644 },
  { type: 'b', path: '/dev/mapper/disk', major: 254, minor: 0, fileMode: 0o660, gid: 6 },
];

const OPTIONS: ContainerOptions = {
  ...DEFAULT_OPTIONS,
  network: NO_NETWORK,
  command: ['echo', 'hello'],
  remove: true,
};

/** The two things of an engine's configuration that it reads from the host are replaced. */
function engineSpec(options: ContainerOptions, host = HOST, peer?: NetworkPeer): RuntimeSpec {
  const spec = containerSpec({
    id: 'ID' as ContainerId,
    options,
    image: { Env: ['PATH=/bin'] },
    user: { uid: 0, gid: 0, additionalGids: [10], home: '/root' },
    hostname: 'box',
    dir: hostPath('/data/containers/ID'),
    host,
    peer,
  });
  const { linux } = spec;
  const fromHost = options.privileged ? { devices: DEVICES } : { maskedPaths: maskedPaths('0-1') };
  return { ...spec, linux: { ...linux, ...fromHost } };
}

function overlay(layers: number, discarded: boolean): OverlayRoot {
  return {
    kind: 'overlay',
    layersDir: hostPath('/data/layers'),
    lower: Array.from({ length: layers }, (_, i) => `l/${i.toString(36).padStart(2, '0')}`),
    upper: hostPath('/data/containers/ID/upper'),
    work: hostPath('/data/containers/ID/work'),
    discarded,
    mountPoint: hostPath('/data/containers/ID/rootfs'),
  };
}

function sample(
  changes: Partial<ContainerOptions> = {},
  input: Partial<PlanInput> = {},
  peer?: NetworkPeer,
): PlanInput {
  const options = { ...OPTIONS, ...changes };
  return {
    spec: engineSpec(options, HOST, peer),
    cgroupManager: options.cgroupManager,
    root: overlay(2, options.remove),
    state: {
      runDir: hostPath('/run/tsrun/ID'),
      containerDir: hostPath('/data/containers/ID'),
      owned: [
        { path: hostPath('/data/names/box'), what: 'the name' },
        { path: hostPath('/data/containers/ID'), what: 'the directory' },
        { path: hostPath('/run/tsrun/ID'), what: 'the record' },
      ],
      remove: options.remove,
    },
    seccomp: options.privileged ? undefined : { program: Buffer.alloc(87 * 8), flags: 0 },
    interactive: options.interactive,
    sourceType: (path) => (/(\/data|\/cgroup)$/.test(path) ? 'directory' : 'file'),
    reporter: ['/usr/bin/node', 'tsrun', 'internal:failed'],
    ...input,
  };
}

function limited(
  host: HostFacts,
  place: Partial<ContainerOptions> = { cgroupParent: 'web/front' },
): RuntimeSpec {
  const resources: ResourceOptions = {
    memory: 64 * 1024 * 1024,
    cpus: 0.5,
    cpuShares: 512,
    cpusetCpus: '0',
    pidsLimit: 100,
    blkioWeight: 500,
    writeBps: [{ major: 8, minor: 0, rate: 1024 * 1024 }],
    deviceRules: [{ allow: true, type: 'c', major: 10, minor: 229, access: 'rw' }],
  };
  return engineSpec({ ...OPTIONS, resources, ...place }, host);
}

/** A bundle's own configuration: fields that no flag of `tsrun run` reaches. */
function bundle(change: (spec: RuntimeSpec) => RuntimeSpec): PlanInput {
  const { hostname: _, ...spec } = engineSpec(OPTIONS);
  return sample({}, { spec: change({ ...spec, hostname: 'box' }), state: undefined });
}

const ids = [
  { containerID: 0, hostID: 100000, size: 65535 },
  { containerID: 65535, hostID: 1000, size: 1 },
];

const NETWORK: Network = {
  id: '0123456789abcdef'.repeat(4),
  name: 'bridge',
  bridge: 'tsrun0',
  subnets: [],
  internal: false,
  labels: {},
  options: {},
  created: '2026-01-01T00:00:00.000Z',
  isDefault: true,
};

const ENDPOINT: Endpoint = {
  network: NETWORK,
  inside: 'eth0',
  outside: outsideEnd('fedcba9876543210', 0),
  asked: { aliases: [] },
  names: ['box'],
  mac: '02:42:ac:11:00:02',
  addresses: [
    { address: '172.17.0.2', prefix: 16, gateway: '172.17.0.1' },
    { address: 'fd12:3456:789a::2', prefix: 64, gateway: 'fd12:3456:789a::1' },
  ],
};

const ON_BRIDGE = { network: DEFAULT_OPTIONS.network };

const RULES: RulesHost = { nftables: true, rules: 'current' };

function connected(
  endpoints: readonly Endpoint[],
  host: RulesHost = RULES,
  published: readonly PublishedPort[] = [],
  dns?: NetworkInput['dns'],
): NetworkPlan {
  const leases = endpoints.flatMap(({ network, addresses }) =>
    addresses.map(({ address }) => hostPath(`/run/tsrun/networks/${network.id}/${address}`)),
  );
  const [first] = endpoints;
  const addresses = first?.addresses.map(({ address }) => address) ?? [];
  const rules: RulesInput = {
    host,
    others: [],
    container: 'box',
    networks: endpoints.map(({ network }) => network),
    ports: published.flatMap((port) => bindingsOf(port, addresses)),
    cables: first === undefined ? [] : [first.outside.name],
  };
  const input: NetworkInput = {
    endpoints,
    records: ['lease', 'network.json'].map((file) => hostPath(`/run/tsrun/ID/${file}`)),
    leases: [{ files: leases, source: hostPath('/run/tsrun/ID/lease') }],
    rules,
    ...(dns === undefined ? {} : { dns }),
  };
  return planNetwork(input, HOST.ipv6);
}

const PORTS: readonly PublishedPort[] = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostAddress: '127.0.0.1', hostPort: 5353, containerPort: 53, protocol: 'udp' },
  { hostAddress: '::1', hostPort: 9090, containerPort: 90, protocol: 'tcp' },
];

export const SAMPLES: Readonly<Record<string, PlanInput>> = {
  default: sample(ON_BRIDGE, { network: connected([ENDPOINT]) }),
  'no-network': sample(),
  'two-networks': sample(ON_BRIDGE, {
    network: connected(
      [
        { ...ENDPOINT, network: { ...NETWORK, bridge: 'tsr-inner', internal: true, mtu: 1400 } },
        { ...ENDPOINT, inside: 'eth1', outside: outsideEnd('fedcba9876543210', 1) },
      ],
      RULES,
      [],
      {
        leases: hostPath('/run/tsrun/networks'),
        containerId: 'ID',
        upstreams: ['192.0.2.53'],
        nftables: true,
      },
    ),
  }),
  'published-ports': sample(ON_BRIDGE, {
    network: connected([ENDPOINT], { nftables: true, rules: 'missing' }, PORTS),
  }),
  'published-ports-by-proxy': sample(ON_BRIDGE, {
    network: connected([ENDPOINT], { nftables: false, reason: 'EPERM' }, PORTS),
  }),
  kept: sample({ remove: false }),
  privileged: sample({ privileged: true }),
  'host-cgroups': sample({ cgroupNamespace: 'host' }),
  'host-network': sample({ network: { ...NO_NETWORK, mode: { kind: 'host' } } }),
  'read-only': sample({
    readonlyRoot: true,
    mounts: [
      {
        type: 'tmpfs',
        source: 'tmpfs',
        destination: '/tmp',
        options: ['nosuid', 'nodev', 'noexec', 'size=1m'],
      },
      { type: 'bind', source: '/srv/data', destination: '/data', options: ['rbind', 'rprivate'] },
      { type: 'bind', source: '/srv/conf', destination: '/etc/conf', options: ['rbind', 'rro', 'rslave'] },
    ],
  }),
  terminal: sample({ tty: true, interactive: true }),
  'no-new-privileges': sample({ noNewPrivileges: true }),
  '120-layers': sample({}, { root: overlay(120, true) }),
  'hybrid-host': sample({}, { spec: engineSpec(OPTIONS, HYBRID_HOST) }),
  limits: sample({}, { spec: limited(HOST) }),
  'limits-v1': sample({}, { spec: limited(HYBRID_HOST) }),
  'limits-systemd': sample(
    { cgroupManager: 'systemd', remove: false },
    { spec: limited(HOST, { cgroupManager: 'systemd', cgroupParent: 'web-front.slice' }) },
  ),
  'user-namespace': bundle((spec) => ({
    ...spec,
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces, { type: 'user' }],
      uidMappings: ids,
      gidMappings: ids,
      sysctl: {},
    },
  })),
  'service-of-a-bundle': {
    ...bundle((spec) => ({
      ...spec,
      process: {
        ...spec.process,
        terminal: true,
        consoleSize: { height: 25, width: 80 },
        apparmorProfile: 'acme',
        selinuxLabel: 'system_u:system_r:container_t:s0',
        scheduler: { policy: 'SCHED_BATCH', nice: -5, flags: ['SCHED_FLAG_RESET_ON_FORK'] },
        ioPriority: { class: 'IOPRIO_CLASS_IDLE', priority: 4 },
      },
      linux: {
        ...spec.linux,
        personality: { domain: 'LINUX32' },
        memoryPolicy: { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] },
        namespaces: [
          ...spec.linux.namespaces.filter(({ type }) => type !== 'network'),
          { type: 'network', path: '/run/netns/blue' },
        ],
        sysctl: { 'net.ipv4.ip_forward': '1', 'kernel.domainname': 'example' },
        devices: [
          ...DEVICES,
          { type: 'p', path: '/run/pipe', fileMode: 0o10600 },
          { type: 'u', path: '/dev/own', major: 10, minor: 200, uid: 7 },
        ],
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          listenerPath: '/run/agent.sock',
          listenerMetadata: 'about it',
          syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }],
        },
      },
    })),
    seccomp: { program: Buffer.alloc(9 * 8), flags: 1 << 3 },
    identity: { ociVersion: '1.3.0', id: 'box', bundle: '/run/bundle' },
  },
  'delegated-cgroup-of-a-bundle': bundle((spec) => ({
    ...spec,
    process: { ...spec.process, user: { uid: 65535, gid: 0 } },
    mounts: [
      ...spec.mounts.filter(({ type }) => type !== 'cgroup'),
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['rw', 'nosuid'] },
    ],
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces, { type: 'user' }],
      uidMappings: ids,
      gidMappings: ids,
      sysctl: {},
    },
  })),
  'interfaces-of-a-bundle': {
    ...bundle((spec) => ({ ...spec, linux: { ...spec.linux, netDevices: { ens4: { name: 'eth0' } } } })),
    netDevices: planNetDevices(
      [
        {
          name: 'ens4',
          inside: 'eth0',
          index: 4,
          addresses: [{ address: toAddress(knownAddress('192.0.2.7')), prefix: 24 }],
        },
      ],
      true,
    ),
  },
  'v1-cgroups-of-a-bundle': { ...bundle((spec) => spec), everyCgroup: true },
  'mounts-of-a-bundle': bundle((spec) => ({
    ...spec,
    mounts: [
      {
        destination: '/data',
        source: '/srv/data',
        options: ['rbind', 'rro', 'rnoatime', 'rslave', 'shared'],
      },
      {
        destination: '/owned',
        source: '/srv/data',
        options: ['rbind', 'ridmap'],
        uidMappings: ids,
        gidMappings: ids,
      },
      { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'ro', 'sync'] },
      { destination: '/etc', options: ['remount', 'size=1m', 'nodev'] },
      { destination: '/disk', type: 'ext4', source: '/dev/sdb1', options: ['ro', 'nosymfollow'] },
      { destination: '/layers', type: 'overlay', options: [`lowerdir=${'/srv/data'.repeat(30)}`, 'nosuid'] },
    ],
  })),
  'joined-namespaces': bundle((spec) => ({
    ...spec,
    linux: {
      ...spec.linux,
      namespaces: [
        { type: 'mount' },
        { type: 'cgroup' },
        { type: 'pid', path: '/proc/7/ns/pid' },
        { type: 'network', path: '/run/netns/blue' },
        { type: 'ipc', path: '/proc/7/ns/ipc' },
        { type: 'uts', path: '/proc/7/ns/uts' },
        { type: 'user', path: '/proc/7/ns/user' },
      ],
      sysctl: {},
    },
  })),
  'network-of-another': sample(
    { network: { ...NO_NETWORK, mode: { kind: 'container', container: 'other' } } },
    { joined: { network: { pid: 4321, started: 98765 } } },
    {
      id: 'ab'.repeat(32) as ContainerId,
      process: { pid: 4321, started: 98765n },
      hostname: 'other',
      mounts: [],
    },
  ),
  'clock-offsets': bundle((spec) => ({
    ...spec,
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces, { type: 'time' }],
      timeOffsets: { monotonic: { secs: 86400 }, boottime: { secs: -60, nanosecs: 5 } },
    },
  })),
  'everything-of-a-process': bundle((spec) => ({
    ...spec,
    domainname: 'example',
    process: {
      ...spec.process,
      user: { uid: 1000, gid: 1000, umask: 0o077, additionalGids: [5, 1000] },
      capabilities: {
        bounding: ['CAP_KILL', 'CAP_NET_RAW'],
        permitted: ['CAP_KILL'],
        effective: ['CAP_KILL'],
        inheritable: ['CAP_KILL'],
        ambient: ['CAP_KILL'],
      },
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 1024, hard: 4096 },
        { type: 'RLIMIT_CORE', soft: 0, hard: -1 },
      ],
      oomScoreAdj: 500,
      cwd: '/srv/app',
    },
    linux: { ...spec.linux, rootfsPropagation: 'rslave', sysctl: { 'net.ipv4.ip_forward': '1' } },
  })),
};
