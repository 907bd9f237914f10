/** `update`: other limits for a container, at once when it runs, and on record. */
import { updateDevices } from '../cgroup/update-devices.ts';
import { FileLock } from '../image/locks.ts';
import { hostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { readCgroupHost } from '../runtime/cgroup-facts.ts';
import type { ResourcesSpec } from '../spec/runtime.ts';
import { changeLimits } from './change-limits.ts';
import { readRecord, readState } from './container-record.ts';
import { type Container, writeRecord } from './container-store.ts';
import { containerDir, type EnginePaths } from './paths.ts';
import { type ResourceOptions, resourcesOf } from './resource-options.ts';

/** Options that are not given stay as they are. */
export function updateContainer(paths: EnginePaths, container: Container, options: ResourceOptions): void {
  const { id } = container.record;
  using _locked = FileLock.waitBriefly(hostPath(`${containerDir(paths, id)}/config.lock`), 'exclusive');
  const record = readRecord(paths, id) ?? container.record;
  const state = readState(paths, id);
  const running = state.status === 'running';
  const host = readCgroupHost(running ? state.process.pid : 'self');
  const { cgroupsPath = '', resources: before = {} } = record.spec.linux;
  const { memory, cpu, pids, blockIO, ...others } = before;
  const devices = [...(before.devices ?? []), ...(options.deviceRules ?? [])];
  const resources = {
    ...others,
    ...(devices.length === 0 ? {} : { devices }),
    ...resourcesOf(mergeOptions(optionsOf(before), options), host),
  };
  const cgroups = running
    ? changeLimits(host, cgroupsPath, record.cgroups, changesOf(before, resources))
    : record.cgroups;
  if (running && options.deviceRules !== undefined) updateDevices(cgroups, devices);
  const linux = { ...record.spec.linux, resources };
  writeRecord(paths, { ...record, cgroups, spec: { ...record.spec, linux } });
}

/** The reverse of resourcesOf. */
function optionsOf({ memory, cpu, pids, blockIO }: ResourcesSpec): ResourceOptions {
  return withoutUndefined({
    memory: memory?.limit,
    memorySwap: memory?.swap,
    memoryReservation: memory?.reservation,
    memorySwappiness: memory?.swappiness,
    oomKillDisable: memory?.disableOOMKiller,
    cpuQuota: cpu?.quota,
    cpuPeriod: cpu?.period,
    cpuShares: cpu?.shares,
    cpusetCpus: cpu?.cpus,
    cpusetMems: cpu?.mems,
    cpuRtRuntime: cpu?.realtimeRuntime,
    cpuRtPeriod: cpu?.realtimePeriod,
    pidsLimit: pids?.limit,
    blkioWeight: blockIO?.weight,
    readBps: blockIO?.throttleReadBpsDevice,
    writeBps: blockIO?.throttleWriteBpsDevice,
    readIops: blockIO?.throttleReadIOPSDevice,
    writeIops: blockIO?.throttleWriteIOPSDevice,
  });
}

function withoutUndefined(
  options: { readonly [K in keyof ResourceOptions]: ResourceOptions[K] | undefined },
): ResourceOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What 0 would take away has no word for "none" in the kernel's files. */
const NEVER_NONE = {
  memoryReservation: '--memory-reservation',
  cpuPeriod: '--cpu-period',
  cpuShares: '--cpu-shares',
  cpusetCpus: '--cpuset-cpus',
  cpusetMems: '--cpuset-mems',
  cpuRtRuntime: '--cpu-rt-runtime',
  cpuRtPeriod: '--cpu-rt-period',
  blkioWeight: '--blkio-weight',
} as const satisfies Partial<Record<keyof ResourceOptions, string>>;

export function mergeOptions(before: ResourceOptions, asked: ResourceOptions): ResourceOptions {
  for (const [name, flag] of Object.entries(NEVER_NONE)) {
    const value = asked[name as keyof typeof NEVER_NONE];
    if (value === 0 || value === '')
      throw badUpdate(`${flag} cannot be taken away from a container`, `give ${flag} a value`);
  }
  const { memory, memorySwap, cpus } = asked;
  const swapBefore = before.memorySwap ?? 0;
  if (memory !== undefined && memorySwap === undefined && swapBefore > 0 && memory > swapBefore)
    throw badUpdate(
      `--memory ${memory} is more than memory and swap together may take, ${swapBefore}`,
      'give --memory-swap too: it is memory and swap together',
    );
  return {
    ...before,
    // Without a limit of memory there is none of memory and swap together.
    ...(memory === 0 ? { memorySwap: 0 } : {}),
    // The two ways to say how much processor time: the last one counts.
    ...(cpus === undefined ? {} : { cpuQuota: 0, cpuPeriod: 0 }),
    ...asked,
  };
}

function badUpdate(message: string, hint: string): TsrunError {
  return new TsrunError('BAD_LIMIT', `Cannot update the limits: ${message}`, { hint, exitCode: 1 });
}

/** The sections that are not as before; what is no longer limited is -1, which is how OCI says it. */
export function changesOf(before: ResourcesSpec, after: ResourcesSpec): ResourcesSpec {
  const differs = (name: 'memory' | 'cpu' | 'pids' | 'blockIO') =>
    JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  return {
    ...(differs('memory')
      ? { memory: { ...lifted(before.memory, ['limit', 'swap']), ...after.memory } }
      : {}),
    ...(differs('cpu') ? { cpu: { ...lifted(before.cpu, ['quota']), ...after.cpu } } : {}),
    ...(differs('pids') ? { pids: after.pids ?? { limit: -1 } } : {}),
    ...(differs('blockIO') && after.blockIO !== undefined ? { blockIO: after.blockIO } : {}),
  };
}

function lifted<N extends string>(
  section: { readonly [K in N]?: number } | undefined,
  names: readonly N[],
): { readonly [K in N]?: number } {
  const given = names.filter((name) => section?.[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, -1])) as { readonly [K in N]?: number };
}
