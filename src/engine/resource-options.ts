/**
 * What was asked of resources → the section `resources` of the OCI configuration. Names, ranges and what goes with what are
 * Docker's, whose command line and API both end up here; `update` does too.
 */
import { type CgroupHost, canLimitPids } from '../cgroup/host.ts';
import { noController } from '../cgroup/setting.ts';
import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import type {
  BlockIoSpec,
  CpuSpec,
  DeviceRule,
  MemorySpec,
  ResourcesSpec,
  Throttle,
} from '../spec/runtime.ts';
import type { ContainerOptions } from './container-options.ts';

/** In bytes and microseconds. What is not given is not limited; 0 says the same, as Docker has it. */
export interface ResourceOptions {
  readonly memory?: number;
  /** Memory and swap together; -1: as much swap as there is. */
  readonly memorySwap?: number;
  readonly memoryReservation?: number;
  /** 0 to 100; -1: the host's. */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** How many processors' time, such as 1.5. */
  readonly cpus?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cpuRtRuntime?: number;
  readonly cpuRtPeriod?: number;
  /** 0 or -1: as many as the host allows. */
  readonly pidsLimit?: number;
  readonly blkioWeight?: number;
  readonly readBps?: readonly Throttle[];
  readonly writeBps?: readonly Throttle[];
  readonly readIops?: readonly Throttle[];
  readonly writeIops?: readonly Throttle[];
  readonly deviceRules?: readonly DeviceRule[];
}

const MIB = 1024 * 1024;
/** Below this a program does not even start (Docker's bound). */
const LEAST_MEMORY = 6 * MIB;
const CPUS_PERIOD_US = 100_000;
/** A fork bomb ends here, where counting processes costs nothing: it is not asked for, so lacking it is no error. */
const DEFAULT_PIDS_LIMIT = 4096;

/** With what a container has although nobody asked: a bound of processes, and devices only when they are allowed. */
export function chooseResources(
  options: ContainerOptions,
  deviceRules: readonly DeviceRule[],
  host: CgroupHost,
): ResourcesSpec {
  const { resources, privileged } = options;
  const pidsLimit = resources.pidsLimit ?? (canLimitPids(host) ? DEFAULT_PIDS_LIMIT : undefined);
  const everything = privileged ? [{ allow: true, access: 'rwm' }] : [];
  const rules = [...everything, ...deviceRules, ...(resources.deviceRules ?? [])];
  return {
    ...resourcesOf({ ...resources, ...(pidsLimit === undefined ? {} : { pidsLimit }) }, host),
    ...(rules.length === 0 ? {} : { devices: rules }),
  };
}

/** Refuses what Docker refuses, and what this host cannot do. */
export function resourcesOf(options: ResourceOptions, host: CgroupHost): ResourcesSpec {
  const { pidsLimit } = options;
  return {
    ...section('memory', memoryOf(options, host)),
    ...section('cpu', cpuOf(options)),
    ...(pidsLimit === undefined || pidsLimit <= 0 ? {} : { pids: { limit: pidsLimit } }),
    ...section('blockIO', blockIoOf(options)),
  };
}

function section<N extends string, T extends object>(name: N, value: T): { readonly [K in N]?: T } {
  return Object.keys(value).length === 0 ? {} : ({ [name]: value } as { readonly [K in N]: T });
}

/** Without those that are not given. */
function given<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function memoryOf(options: ResourceOptions, host: CgroupHost): MemorySpec {
  const { memory = 0, memorySwap = 0, memoryReservation = 0, memorySwappiness = -1 } = options;
  if (memory > 0 && memory < LEAST_MEMORY) refuse(`--memory ${memory}`, 'the least is 6m');
  if (memoryReservation > 0 && memoryReservation < LEAST_MEMORY)
    refuse(`--memory-reservation ${memoryReservation}`, 'the least is 6m');
  if (memory > 0 && memoryReservation > memory)
    refuse(`--memory-reservation ${memoryReservation}`, `--memory is less: ${memory}`);
  if (memorySwap > 0 && memory === 0)
    refuse(`--memory-swap ${memorySwap}`, 'it is memory and swap together, so it needs --memory');
  if (memorySwap > 0 && memorySwap < memory)
    refuse(`--memory-swap ${memorySwap}`, `it is memory and swap together, and --memory alone is ${memory}`);
  if (memorySwappiness < -1 || memorySwappiness > 100)
    refuse(`--memory-swappiness ${memorySwappiness}`, 'it is from 0 to 100');
  if (memorySwap > 0 && !host.countsSwap)
    throw noController('accounting of swap', 'swap', 'boot with swapaccount=1, or leave out --memory-swap');
  return given<MemorySpec>({
    limit: memory || undefined,
    swap: memorySwap || defaultSwap(memory, host),
    reservation: memoryReservation || undefined,
    swappiness: memorySwappiness < 0 ? undefined : memorySwappiness,
    disableOOMKiller: options.oomKillDisable || undefined,
  });
}

/** As much swap as memory, as Docker has it; nothing where swap cannot be counted. */
function defaultSwap(memory: number, host: CgroupHost): number | undefined {
  return memory > 0 && host.countsSwap ? 2 * memory : undefined;
}

function cpuOf(options: ResourceOptions): CpuSpec {
  const { cpus = 0, cpuQuota = 0, cpuPeriod = 0, cpuShares = 0 } = options;
  const { cpuRtRuntime = 0, cpuRtPeriod = 0, cpusetCpus = '', cpusetMems = '' } = options;
  if (cpus !== 0 && (cpuQuota !== 0 || cpuPeriod !== 0))
    refuse(`--cpus ${cpus}`, '--cpu-quota and --cpu-period say the same in another way: give one of the two');
  if (cpus !== 0) checkCpus(cpus);
  if (cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000))
    refuse(`--cpu-period ${cpuPeriod}`, 'it is from 1000 to 1000000 microseconds');
  if (cpuQuota > 0 && cpuQuota < 1000) refuse(`--cpu-quota ${cpuQuota}`, 'the least is 1000 microseconds');
  if (cpuShares < 0) refuse(`--cpu-shares ${cpuShares}`, 'it is a positive number; 1024 is usual');
  if (cpuRtRuntime > (cpuRtPeriod || 1_000_000))
    refuse(`--cpu-rt-runtime ${cpuRtRuntime}`, `it is longer than its period: ${cpuRtPeriod || 1_000_000}`);
  checkList('--cpuset-cpus', cpusetCpus, ONLINE.cpus);
  checkList('--cpuset-mems', cpusetMems, ONLINE.mems);
  return given<CpuSpec>({
    shares: cpuShares || undefined,
    quota: cpus === 0 ? cpuQuota || undefined : Math.round(cpus * CPUS_PERIOD_US),
    period: cpus === 0 ? cpuPeriod || undefined : CPUS_PERIOD_US,
    realtimeRuntime: cpuRtRuntime || undefined,
    realtimePeriod: cpuRtPeriod || undefined,
    cpus: cpusetCpus || undefined,
    mems: cpusetMems || undefined,
  });
}

function blockIoOf(options: ResourceOptions): BlockIoSpec {
  const { blkioWeight = 0, readBps = [], writeBps = [], readIops = [], writeIops = [] } = options;
  if (blkioWeight !== 0 && (blkioWeight < 10 || blkioWeight > 1000))
    refuse(`--blkio-weight ${blkioWeight}`, 'it is from 10 to 1000');
  const some = (list: readonly Throttle[]) => (list.length === 0 ? undefined : list);
  return given<BlockIoSpec>({
    weight: blkioWeight || undefined,
    throttleReadBpsDevice: some(readBps),
    throttleWriteBpsDevice: some(writeBps),
    throttleReadIOPSDevice: some(readIops),
    throttleWriteIOPSDevice: some(writeIops),
  });
}

/** Lists of what the host has. */
const ONLINE = { cpus: '/sys/devices/system/cpu/online', mems: '/sys/devices/system/node/online' } as const;

function checkCpus(cpus: number): void {
  const { size } = onlineList(ONLINE.cpus);
  if (cpus < 0.01 || cpus > size)
    refuse(`--cpus ${cpus}`, `it is from 0.01 to ${size}: so many processors are there`);
}

/** A list such as 0-2,4 of numbers that the host has. cpuset(7), List format. */
function checkList(flag: string, list: string, online: string): void {
  if (list === '') return;
  const available = onlineList(online);
  const asked = numbersOf(list);
  if (asked === undefined) refuse(`${flag} ${JSON.stringify(list)}`, 'a list is written like 0-2,4');
  const missing = [...(asked ?? [])].filter((number) => !available.has(number));
  if (missing.length > 0) refuse(`${flag} ${list}`, `this host has only ${[...available].join(',')}`);
}

/** The most the kernel can count; a longer list is no list. */
const MOST_NUMBERS = 8192;

function numbersOf(list: string): ReadonlySet<number> | undefined {
  const numbers = new Set<number>();
  for (const part of list.trim().split(',')) {
    const [, first = '', last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    if (first === '' || Number(last) < Number(first) || Number(last) >= MOST_NUMBERS) return undefined;
    for (let number = Number(first); number <= Number(last); number++) numbers.add(number);
  }
  return numbers;
}

/** A kernel without NUMA has no list of nodes: there is one, 0. */
function onlineList(file: string): ReadonlySet<number> {
  return numbersOf(readFileIfThere(file) ?? '0') ?? new Set([0]);
}

function refuse(what: string, why: string): never {
  throw new TsrunError('BAD_LIMIT', `Cannot use ${what}: ${why}`);
}
