/**
 * The part of an OCI runtime configuration (config.json, OCI Runtime Specification 1.3) that a plan is made from.
 * Names are the specification's.
 */
import type { LinuxSeccomp } from './seccomp.ts';

export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly root: { readonly path: string; readonly readonly?: boolean };
  readonly process: ProcessSpec;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly MountSpec[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
}

export interface ProcessSpec {
  readonly terminal: boolean;
  readonly cwd: string;
  readonly args: readonly string[];
  /** NAME=value; the whole environment of the program. */
  readonly env: readonly string[];
  readonly user: UserSpec;
  readonly capabilities?: CapabilitySets;
  readonly rlimits?: readonly RlimitSpec[];
  readonly noNewPrivileges?: boolean;
  readonly oomScoreAdj?: number;
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
  readonly soft: number;
  readonly hard: number;
}

export interface MountSpec {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

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
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly seccomp?: LinuxSeccomp;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly rootfsPropagation?: string;
  /** From `/` at the mount of each cgroup hierarchy; anything else is relative to where the runtime keeps its cgroups. */
  readonly cgroupsPath?: string;
  readonly resources?: ResourcesSpec;
}

/** config-linux.md, Control groups. Every figure that is not given is not limited. */
export interface ResourcesSpec {
  /** Checked in their order; the last that speaks of a kind of access decides. */
  readonly devices?: readonly DeviceRule[];
  readonly memory?: MemorySpec;
  readonly cpu?: CpuSpec;
  /** Processes and threads; -1 for no limit. */
  readonly pids?: { readonly limit: number };
  readonly blockIO?: BlockIoSpec;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** By device, such as mlx5_1. */
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** Files of cgroup v2 and what is written to them, as they are. */
  readonly unified?: Readonly<Record<string, string>>;
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
  readonly weightDevice?: readonly (DeviceNumber & { readonly weight: number })[];
  /** Bytes, or operations, a second. */
  readonly throttleReadBpsDevice?: readonly Throttle[];
  readonly throttleWriteBpsDevice?: readonly Throttle[];
  readonly throttleReadIOPSDevice?: readonly Throttle[];
  readonly throttleWriteIOPSDevice?: readonly Throttle[];
}

export type Throttle = DeviceNumber & { readonly rate: number };
