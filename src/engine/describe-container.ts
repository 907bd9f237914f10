/** A container as `docker inspect` describes one; the fields this engine has, under Docker's names. */
import type { MountSpec, ResourcesSpec } from '../spec/runtime.ts';
import type { Container } from './container-store.ts';
import { describeNetwork, networkModeText } from './describe-network.ts';
import { describeRequests, portName } from './describe-ports.ts';
import { containerDir, type EnginePaths } from './paths.ts';

export function describeContainer(
  paths: EnginePaths,
  { record, state }: Container,
): Readonly<Record<string, unknown>> {
  const { process, mounts, root, hostname, linux } = record.spec;
  const dir = containerDir(paths, record.id);
  const binds = mounts.filter((m) => m.type === 'bind');
  return {
    Id: record.id,
    Created: new Date(record.createdAtMs).toISOString(),
    Path: process.args[0],
    Args: process.args.slice(1),
    State: {
      Status: state.status,
      Running: state.status === 'running',
      Pid: state.status === 'running' ? state.process.pid : 0,
      OOMKilled: state.status === 'exited' && state.oomKilled,
      ExitCode: state.status === 'exited' ? state.exitCode : 0,
      ...(state.status === 'exited' && state.finishedAtMs !== undefined
        ? { FinishedAt: new Date(state.finishedAtMs).toISOString() }
        : {}),
    },
    Image: record.imageId,
    Name: `/${record.name}`,
    HostConfig: {
      AutoRemove: record.autoRemove,
      ReadonlyRootfs: root.readonly ?? false,
      Binds: binds.map((m) => `${m.source}:${m.destination}${m.options?.includes('rro') ? ':ro' : ''}`),
      NetworkMode: networkModeText(record.network.mode),
      PortBindings: describeRequests(record.ports.publish),
      ExtraHosts: record.network.hosts.map(({ name, address }) => `${name}:${address}`),
      Dns: record.network.dns,
      DnsSearch: record.network.dnsSearch,
      DnsOptions: record.network.dnsOptions,
      CgroupnsMode: linux.namespaces.some((n) => n.type === 'cgroup') ? 'private' : 'host',
      OomScoreAdj: process.oomScoreAdj ?? 0,
      ShmSize: shmBytes(mounts),
      Ulimits: (process.rlimits ?? []).map(({ type, soft, hard }) => ({
        Name: type.replace('RLIMIT_', '').toLowerCase(),
        Soft: soft,
        Hard: hard,
      })),
      ...describeResources(linux.resources ?? {}),
    },
    GraphDriver: { Name: 'overlay2', Data: { UpperDir: `${dir}/upper`, WorkDir: `${dir}/work` } },
    Mounts: binds.map((m) => ({
      Type: 'bind',
      Source: m.source,
      Destination: m.destination,
      RW: !m.options?.includes('rro'),
    })),
    NetworkSettings: describeNetwork(paths, record, state),
    Config: {
      Hostname: hostname,
      ExposedPorts: Object.fromEntries(record.ports.exposed.map((port) => [portName(port), {}])),
      User: `${process.user.uid}:${process.user.gid}`,
      Tty: process.terminal,
      Env: process.env,
      Image: record.image,
      WorkingDir: process.cwd,
    },
  };
}

/** 0 when the engine has not made /dev/shm, but a mount of the user's. */
function shmBytes(mounts: readonly MountSpec[]): number {
  const shm = mounts.find((m) => m.destination === '/dev/shm' && m.source === 'shm');
  const size = shm?.options?.find((option) => option.startsWith('size='));
  return Number(size?.slice('size='.length) ?? 0);
}

/** 0 and the empty text stand for no limit. */
function describeResources({ memory, cpu, pids, blockIO }: ResourcesSpec) {
  return {
    Memory: memory?.limit ?? 0,
    MemorySwap: memory?.swap ?? 0,
    MemoryReservation: memory?.reservation ?? 0,
    CpuShares: cpu?.shares ?? 0,
    CpuQuota: cpu?.quota ?? 0,
    CpuPeriod: cpu?.period ?? 0,
    CpusetCpus: cpu?.cpus ?? '',
    CpusetMems: cpu?.mems ?? '',
    BlkioWeight: blockIO?.weight ?? 0,
    PidsLimit: pids?.limit ?? 0,
  };
}
