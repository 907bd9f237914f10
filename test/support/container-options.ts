/** What `tsrun run IMAGE` without a flag asks for. */
import type { ContainerOptions } from '../../src/engine/container-options.ts';

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
  resources: {},
  network: 'none',
  tty: false,
  interactive: false,
  remove: false,
};
