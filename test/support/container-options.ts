/** What `tsrun run IMAGE` without a flag asks for. */
import type { ContainerOptions, NetworkOptions } from '../../src/engine/container-options.ts';

export const NO_NETWORK: NetworkOptions = {
  mode: { kind: 'none' },
  hosts: [],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  aliases: [],
  more: [],
};

export const DEFAULT_OPTIONS: ContainerOptions = {
  image: 'busybox',
  command: [],
  env: [],
  mounts: [],
  readonlyRoot: false,
  capAdd: [],
  capDrop: [],
  seccomp: 'default',
  noNewPrivileges: false,
  privileged: false,
  hardened: false,
  devices: [],
  rlimits: [],
  sysctls: {},
  cgroupNamespace: 'private',
  cgroupManager: 'cgroupfs',
  resources: {},
  network: { ...NO_NETWORK, mode: { kind: 'network', name: 'bridge' } },
  ports: { publish: [], expose: [], publishAll: false },
  tty: false,
  interactive: false,
  remove: false,
};
