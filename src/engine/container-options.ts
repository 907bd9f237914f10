/** What a user can ask of a container, parsed; the command line and the API both end up here. */
import type { CgroupManager } from '../cgroup/host.ts';
import type { EndpointOptions } from '../network/endpoint.ts';
import type { HostEntry } from '../network/hosts.ts';
import type { ContainerPort } from '../network/published-port.ts';
import type { ResolverOptions } from '../network/resolv-conf.ts';
import type { MountSpec, RlimitSpec } from '../spec/runtime.ts';
import type { DeviceRequest } from './host-devices.ts';
import type { PortRequest } from './port-options.ts';
import type { ResourceOptions } from './resource-options.ts';

export interface ContainerOptions {
  /** Reference or id of the image. */
  readonly image: string;
  /** Replaces the image's Cmd when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's Entrypoint, and drops its Cmd; the empty string means none. */
  readonly entrypoint?: string;
  readonly name?: string;
  readonly hostname?: string;
  /** NAME=value, the last one of a name wins. */
  readonly env: readonly string[];
  readonly workdir?: string;
  /** name, uid, name:group or uid:gid. */
  readonly user?: string;
  /** Binds and tmpfs. */
  readonly mounts: readonly MountSpec[];
  readonly readonlyRoot: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** `default`, `unconfined`, or the text of a profile. */
  readonly seccomp: 'default' | 'unconfined' | { readonly file: string; readonly text: string };
  readonly noNewPrivileges: boolean;
  readonly privileged: boolean;
  /** Fewer capabilities than the default ones. */
  readonly hardened: boolean;
  readonly devices: readonly DeviceRequest[];
  /** One for each limit. */
  readonly rlimits: readonly RlimitSpec[];
  /** -1000 to 1000; proc_pid_oom_score_adj(5). */
  readonly oomScoreAdj?: number;
  /** Name, as sysctl(8) reads it, to value. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Of /dev/shm; 64 MiB when not given. */
  readonly shmBytes?: number;
  readonly cgroupNamespace: 'private' | 'host';
  readonly resources: ResourceOptions;
  readonly cgroupManager: CgroupManager;
  /** The cgroup to lie in, from the mounts of the hierarchies when it begins with `/`; for systemd, a slice. */
  readonly cgroupParent?: string;
  readonly network: NetworkOptions;
  readonly ports: PortOptions;
  readonly tty: boolean;
  readonly interactive: boolean;
  /** Remove the container when it has ended. */
  readonly remove: boolean;
}

export interface PortOptions {
  readonly publish: readonly PortRequest[];
  /** In addition to those of the image. */
  readonly expose: readonly ContainerPort[];
  /** Publish what is exposed. */
  readonly publishAll: boolean;
}

/** Docker's --network. */
export type NetworkMode =
  /** A namespace with a loopback and nothing else. */
  | { readonly kind: 'none' }
  | { readonly kind: 'host' }
  /** That of another container, given by name or id. */
  | { readonly kind: 'container'; readonly container: string }
  | { readonly kind: 'network'; readonly name: string };

/** A place on a network, which is given by name or id. */
export interface NetworkPlace extends EndpointOptions {
  readonly network: string;
}

/** Those of EndpointOptions are for the network of `mode`. */
export interface NetworkOptions extends ResolverOptions, EndpointOptions {
  readonly mode: NetworkMode;
  /** Places on more networks, when that one is a network. */
  readonly more: readonly NetworkPlace[];
  /** More lines for /etc/hosts. */
  readonly hosts: readonly HostEntry[];
}
