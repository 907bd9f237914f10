/**
 * An OCI runtime configuration (config.json, OCI Runtime Specification 1.3), the Linux part. Names are the specification's;
 * runtime-config.ts reads one that nobody has checked.
 */
import type { LinuxSeccomp } from './seccomp.ts';

/** An integer of 64 bits: a bigint where a number would not be exact (past 2^53). */
export type Int64 = number | bigint;

export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly root: RootSpec;
  readonly process: ProcessSpec;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly MountSpec[];
  readonly hooks?: HooksSpec;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
}

export interface RootSpec {
  readonly path: string;
  readonly readonly?: boolean;
}

/** In the order they run. `prestart` is the deprecated name of a time just before createRuntime. config.md, POSIX-platform Hooks. */
export const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;
export type HookName = (typeof HOOK_NAMES)[number];
export type HooksSpec = Readonly<Partial<Record<HookName, readonly HookSpec[]>>>;

/** A program that is given the state of the container as JSON on its standard input. */
export interface HookSpec {
  /** Absolute. */
  readonly path: string;
  /** With the name of the program as the first. */
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds; at least 1. */
  readonly timeout?: number;
}

export interface ProcessSpec {
  readonly terminal: boolean;
  /** Characters; of meaning with a terminal only. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly cwd: string;
  readonly args: readonly string[];
  /** NAME=value; the whole environment of the program. */
  readonly env: readonly string[];
  readonly user: UserSpec;
  readonly capabilities?: CapabilitySets;
  readonly rlimits?: readonly RlimitSpec[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly oomScoreAdj?: number;
  readonly scheduler?: SchedulerSpec;
  readonly ioPriority?: IoPrioritySpec;
  /** Lists of processors such as 0-3,7; for processes that are added to a container, not for its first. */
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
}

export interface UserSpec {
  readonly uid: number;
  readonly gid: number;
  /** Octal file mode creation mask; 0o022 when not given. */
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
}

/** Names such as CAP_CHOWN; capabilities(7). */
export interface CapabilitySets {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export interface RlimitSpec {
  /** RLIMIT_NOFILE … */
  readonly type: string;
  /** -1 or 2^64-1 for no limit. */
  readonly soft: Int64;
  readonly hard: Int64;
}

export const SCHEDULER_POLICIES = [
  'SCHED_OTHER',
  'SCHED_FIFO',
  'SCHED_RR',
  'SCHED_BATCH',
  'SCHED_ISO',
  'SCHED_IDLE',
  'SCHED_DEADLINE',
] as const;

export const SCHEDULER_FLAGS = [
  'SCHED_FLAG_RESET_ON_FORK',
  'SCHED_FLAG_RECLAIM',
  'SCHED_FLAG_DL_OVERRUN',
  'SCHED_FLAG_KEEP_POLICY',
  'SCHED_FLAG_KEEP_PARAMS',
  'SCHED_FLAG_UTIL_CLAMP_MIN',
  'SCHED_FLAG_UTIL_CLAMP_MAX',
] as const;

/** sched_setattr(2). */
export interface SchedulerSpec {
  readonly policy: (typeof SCHEDULER_POLICIES)[number];
  /** -20 to 19, of SCHED_OTHER and SCHED_BATCH. */
  readonly nice?: number;
  /** 1 to 99, of SCHED_FIFO and SCHED_RR. */
  readonly priority?: number;
  readonly flags?: readonly (typeof SCHEDULER_FLAGS)[number][];
  /** Nanoseconds, of SCHED_DEADLINE. */
  readonly runtime?: Int64;
  readonly deadline?: Int64;
  readonly period?: Int64;
}

export const IO_PRIORITY_CLASSES = ['IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE'] as const;

/** ioprio_set(2). */
export interface IoPrioritySpec {
  readonly class: (typeof IO_PRIORITY_CLASSES)[number];
  /** 0, the highest, to 7. */
  readonly priority: number;
}

export interface MountSpec {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  /** Both or none: whom the owners of its files are shown as. mount_setattr(2), MOUNT_ATTR_IDMAP. */
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

export const NAMESPACE_TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;
export type NamespaceType = (typeof NAMESPACE_TYPES)[number];

export interface NamespaceSpec {
  readonly type: NamespaceType;
  /** A file such as /proc/PID/ns/net: join that namespace instead of making a new one. */
  readonly path?: string;
}

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface DeviceSpec {
  readonly type: 'c' | 'b' | 'u' | 'p';
  readonly path: string;
  readonly major?: number;
  readonly minor?: number;
  /** Permission bits; 0o666 when not given. */
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface LinuxSpec {
  readonly namespaces: readonly NamespaceSpec[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  /** Seconds and nanoseconds added to the monotonic and boot clocks; time_namespaces(7). */
  readonly timeOffsets?: Readonly<
    Partial<Record<'monotonic' | 'boottime', { secs?: number; nanosecs?: number }>>
  >;
  readonly devices?: readonly DeviceSpec[];
  /** Network interfaces of the host that are moved into the container, by their names there; `name`: what they are called inside. */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly seccomp?: LinuxSeccomp;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** private, shared, slave or unbindable; with an r before it, for every mount below too. */
  readonly rootfsPropagation?: string;
  /** The SELinux context of the files of the container's mounts. */
  readonly mountLabel?: string;
  readonly personality?: { readonly domain: 'LINUX' | 'LINUX32' };
  readonly memoryPolicy?: MemoryPolicySpec;
  readonly intelRdt?: IntelRdtSpec;
  /** From `/` at the mount of each cgroup hierarchy; anything else is relative to where the runtime keeps its cgroups. */
  readonly cgroupsPath?: string;
  readonly resources?: ResourcesSpec;
}

export const MEMORY_POLICY_MODES = [
  'MPOL_DEFAULT',
  'MPOL_PREFERRED',
  'MPOL_BIND',
  'MPOL_INTERLEAVE',
  'MPOL_LOCAL',
  'MPOL_PREFERRED_MANY',
  'MPOL_WEIGHTED_INTERLEAVE',
] as const;
export const MEMORY_POLICY_FLAGS = [
  'MPOL_F_NUMA_BALANCING',
  'MPOL_F_RELATIVE_NODES',
  'MPOL_F_STATIC_NODES',
] as const;

/** set_mempolicy(2). */
export interface MemoryPolicySpec {
  readonly mode: (typeof MEMORY_POLICY_MODES)[number];
  /** A list of memory nodes such as 0-3,7. */
  readonly nodes?: string;
  readonly flags?: readonly (typeof MEMORY_POLICY_FLAGS)[number][];
}

/** Classes of service and monitoring groups of resctrl; Documentation/filesystems/resctrl.rst. */
export interface IntelRdtSpec {
  /** `/`: the root of the file system. */
  readonly closID?: string;
  /** Lines of the file schemata. */
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly enableMonitoring?: boolean;
}

/**
 * config-linux.md, Control groups. Every figure that is not given is not limited. No limit has 2^53 or more: on
 * every machine that is no limit, which is written as -1.
 */
export interface ResourcesSpec {
  /** Checked in their order; the last that speaks of a kind of access decides. */
  readonly devices?: readonly DeviceRule[];
  readonly memory?: MemorySpec;
  readonly cpu?: CpuSpec;
  /** Processes and threads; -1 for no limit. */
  readonly pids?: { readonly limit: number };
  readonly blockIO?: BlockIoSpec;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** net_cls and net_prio, which cgroup v1 alone has. */
  readonly network?: NetworkResources;
  /** By device, such as mlx5_1. */
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** Files of cgroup v2 and what is written to them, as they are. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface NetworkResources {
  /** What traffic control knows the packets by. */
  readonly classID?: number;
  /** By interface. */
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
}

export interface DeviceRule {
  readonly allow: boolean;
  /** All when not given. */
  readonly type?: 'a' | 'b' | 'c';
  /** Every number when not given. */
  readonly major?: number;
  readonly minor?: number;
  /** Some of r (read), w (write) and m (mknod); all when not given. */
  readonly access?: string;
}

/** In bytes; -1 for no limit. */
export interface MemorySpec {
  readonly limit?: number;
  /** What the kernel tries to keep it to when memory is short on the host. */
  readonly reservation?: number;
  /** Memory and swap together. */
  readonly swap?: number;
  /** 0 to 100. */
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
  /** No kernel since 5.16 keeps kernel memory apart. */
  readonly kernel?: number;
  /** Of the buffers of TCP, on cgroup v1. */
  readonly kernelTCP?: number;
  /** A new limit below what is used already is refused, as v1 does of itself. */
  readonly checkBeforeUpdate?: boolean;
}

/** Times in microseconds. */
export interface CpuSpec {
  /** A weight between 2 and 262144; 1024 is the usual one. */
  readonly shares?: number;
  /** In each period; -1 for no limit. */
  readonly quota?: number;
  readonly period?: number;
  /** What may be saved up of the quota. */
  readonly burst?: number;
  readonly realtimeRuntime?: number;
  readonly realtimePeriod?: number;
  /** Lists such as 0-2,4. */
  readonly cpus?: string;
  readonly mems?: string;
  /** 1: runs only when nothing else wants to. */
  readonly idle?: number;
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export interface BlockIoSpec {
  /** 10 to 1000. */
  readonly weight?: number;
  /** Of what the cgroup itself does, beside the cgroups below it. No kernel since 5.0 has it. */
  readonly leafWeight?: number;
  readonly weightDevice?: readonly (DeviceNumber & {
    readonly weight?: number;
    readonly leafWeight?: number;
  })[];
  /** Bytes, or operations, a second. */
  readonly throttleReadBpsDevice?: readonly Throttle[];
  readonly throttleWriteBpsDevice?: readonly Throttle[];
  readonly throttleReadIOPSDevice?: readonly Throttle[];
  readonly throttleWriteIOPSDevice?: readonly Throttle[];
}

export type Throttle = DeviceNumber & { readonly rate: number };
