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

/** Which devices a cgroup may use; a field that is left out stands for all. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: 'a' | 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  /** Letters of r (read), w (write) and m (mknod). */
  readonly access?: string;
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
  readonly resources?: {
    readonly pids?: { readonly limit: number };
    readonly devices?: readonly DeviceRule[];
  };
}
