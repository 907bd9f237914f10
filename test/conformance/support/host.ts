/** Facts about the host on which a test may depend, each with the reason that a skipped test gives. */
import { existsSync, readFileSync } from 'node:fs';
import { cgroupMounts } from './cgroups.ts';
import { isBelow, parseMounts } from './mount-table.ts';

export interface Fact {
  readonly holds: boolean;
  readonly otherwise: string;
}

export const cgroupV2Only: Fact = {
  holds: cgroupMounts().every(({ version }) => version === 2),
  otherwise: 'this host has cgroup v1 controllers; the sentence is about cgroup v2',
};

export const cgroupV1: Fact = {
  holds: cgroupMounts().some(({ version }) => version === 1),
  otherwise: 'this host has cgroup v2 only; the sentence is about cgroup v1',
};

/** A controller; where version 1 is in use, one of that version: a runtime may leave version 2 beside it alone. */
export function controller(name: string): Fact {
  const mounts = cgroupMounts();
  const holds = cgroupV1.holds
    ? mounts.some(({ controllers }) => controllers.includes(name))
    : mounts.some(({ directory }) =>
        readIfAny(`${directory}/cgroup.controllers`).trim().split(' ').includes(name),
      );
  const version = cgroupV1.holds ? 1 : 2;
  return { holds, otherwise: `cgroup v${version} of this host has no controller ${name}` };
}

export function namespaceKind(name: string): Fact {
  return { holds: existsSync(`/proc/self/ns/${name}`), otherwise: `this kernel has no ${name} namespace` };
}

export const apparmor: Fact = {
  holds: readIfAny('/sys/module/apparmor/parameters/enabled').startsWith('Y'),
  otherwise: 'AppArmor is not enabled in this kernel',
};

export const noResctrl: Fact = {
  holds: !readFileSync('/proc/self/mountinfo', 'utf8').includes(' - resctrl '),
  otherwise: 'a resctrl file system is mounted on this host',
};

export const numa: Fact = {
  holds: existsSync('/proc/self/numa_maps'),
  otherwise: 'this kernel has no NUMA memory policies',
};

export const compiler: Fact = {
  holds: ['/usr/bin/cc', '/usr/bin/gcc'].some(existsSync),
  otherwise: 'no C compiler: the peer that receives file descriptors cannot be built',
};

/** Whether mounts made on the host below this directory are told to others, as on any host with systemd. */
export function shared(path: string): Fact {
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const above = mounts.filter(({ destination }) => isBelow(path, destination));
  const nearest = above.sort((a, b) => a.destination.length - b.destination.length).at(-1);
  return {
    holds: nearest?.propagation.some((word) => word.startsWith('shared:')) ?? false,
    otherwise: `the mount at ${nearest?.destination} is not shared: run.sh makes it so`,
  };
}

export function fileExists(path: string): Fact {
  return { holds: existsSync(path), otherwise: `there is no ${path} on this host` };
}

function readIfAny(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
