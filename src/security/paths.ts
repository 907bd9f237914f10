/**
 * What of /proc and /sys a container may not see, and what it may not change: Docker's lists. These files are not
 * divided by namespaces, so they show or steer the host.
 */

/** Hidden behind /dev/null or an empty directory; a path that this kernel does not have is skipped. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts', // counts keystrokes and packets of the host
  '/proc/kcore', // the host's memory
  '/proc/keys', // keyrings of other users
  '/proc/latency_stats',
  '/proc/sched_debug', // processes of the host
  '/proc/scsi', // removes a disk from the host (CVE-2017-16539)
  '/proc/timer_list', // processes of the host
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap', // power use tells what others compute (CVE-2020-8694)
  '/sys/firmware',
  '/sys/fs/selinux',
];

/** Readable, as programs need, but every write would change the host. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** The masked paths on a host whose CPUs are `cpuList`, which is the text of /sys/devices/system/cpu/possible. */
export function maskedPaths(cpuList: string): readonly string[] {
  return [...MASKED_PATHS, ...parseCpuList(cpuList).map(thermalThrottlePath)];
}

/** Counts how often a CPU got too hot: a side channel between containers, one per CPU. */
function thermalThrottlePath(cpu: number): string {
  return `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`;
}

/** `0-3,8` → 0, 1, 2, 3, 8: the kernel's list format. */
export function parseCpuList(text: string): readonly number[] {
  const ranges = text.trim().split(',').filter(Boolean);
  return ranges.flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}
