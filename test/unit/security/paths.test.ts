import { expect, test } from 'vitest';
import { MASKED_PATHS, maskedPaths, parseCpuList, READONLY_PATHS } from '../../../src/security/paths.ts';

test.each([
  ['0', [0]],
  ['0-3\n', [0, 1, 2, 3]],
  ['0-1,8,10-11', [0, 1, 8, 10, 11]],
  ['\n', []],
])('the CPU list %j', (text, cpus) => {
  expect(parseCpuList(text)).toEqual(cpus);
});

test('the throttle counters of every CPU are masked beside the fixed paths', () => {
  expect(maskedPaths('0-1')).toEqual([
    ...MASKED_PATHS,
    '/sys/devices/system/cpu/cpu0/thermal_throttle',
    '/sys/devices/system/cpu/cpu1/thermal_throttle',
  ]);
});

test('the files that show the host to a container are masked or read-only', () => {
  const proc = 'acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi interrupts';
  const masked = [
    ...proc.split(' ').map((name) => `/proc/${name}`),
    ...['/sys/firmware', '/sys/fs/selinux', '/sys/devices/virtual/powercap'],
  ];
  expect(new Set(MASKED_PATHS)).toEqual(new Set(masked));
  expect(READONLY_PATHS).toEqual(['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`));
});
