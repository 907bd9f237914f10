import { expect, test } from 'vitest';
import { describeCgroups } from '../../../src/engine/describe-cgroups.ts';
import { operatingSystem } from '../../../src/engine/describe-engine.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

test('a host with cgroup v2 alone', () => {
  const host = { ...HOST.cgroup, v2Controllers: ['cpu', 'io', 'memory', 'pids'], countsSwap: false };
  expect(describeCgroups(host, 'systemd')).toEqual({
    CgroupDriver: 'systemd',
    CgroupVersion: '2',
    CgroupControllers: ['cpu', 'io', 'memory', 'pids'],
    MemoryLimit: true,
    SwapLimit: false,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: false,
    PidsLimit: true,
    Warnings: [
      'WARNING: No cgroup controller cpuset: which processors are used cannot be limited',
      'WARNING: No swap limit support',
    ],
  });
});

test('a hybrid host counts as the version that has the controllers', () => {
  const described = describeCgroups(HYBRID_HOST.cgroup, 'cgroupfs');
  expect(described.CgroupVersion).toBe('1');
  expect(described.CgroupControllers).toEqual(Object.keys(HYBRID_HOST.cgroup.v1).toSorted());
});

test.each([
  ['NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', 'Debian GNU/Linux 12 (bookworm)'],
  ['PRETTY_NAME=Plain\n', 'Plain'],
  ['', 'Linux'],
])('%j is %s', (osRelease, name) => {
  expect(operatingSystem(osRelease)).toBe(name);
});
