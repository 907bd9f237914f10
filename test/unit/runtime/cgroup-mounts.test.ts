import { expect, test } from 'vitest';
import type { CgroupHost } from '../../../src/cgroup/host.ts';
import { hostPath } from '../../../src/lib/brands.ts';
import { cgroupMounts } from '../../../src/runtime/cgroup-mounts.ts';
import type { LinuxSpec, MountSpec } from '../../../src/spec/runtime.ts';
import { HOST } from '../../support/sample-plans.ts';

const MOUNT: MountSpec = { destination: '/sys/fs/cgroup', type: 'cgroup', options: ['nosuid', 'ro'] };
const OWN: LinuxSpec = { namespaces: [{ type: 'cgroup' }], cgroupsPath: '/pod/x' };
const SHARED: LinuxSpec = { namespaces: [], cgroupsPath: '/pod/x' };

const V2 = { ...HOST.cgroup, v2Mount: hostPath('/sys/fs/cgroup') };
const cpu = { mount: hostPath('/sys/fs/cgroup/cpu,cpuacct'), base: '/' };
const V1: CgroupHost = {
  ...V2,
  v2Mount: undefined,
  v1: { cpu, cpuacct: cpu, 'name=systemd': { mount: hostPath('/sys/fs/cgroup/systemd'), base: '/' } },
};

const lines = (linux: LinuxSpec, host: CgroupHost, everyCgroup = true) =>
  cgroupMounts(MOUNT, linux, host, everyCgroup).map(({ destination, type, source, options }) =>
    [destination.replace('/sys/fs/cgroup', '.'), type, source, options?.join(',')].join(' '),
  );

test('on v1 each hierarchy is mounted, under its name and those of its controllers, on a tmpfs that ends read-only', () => {
  expect(lines(OWN, V1)).toEqual([
    '. tmpfs tmpfs nosuid,mode=755',
    './cpu cgroup cgroup nosuid,ro,cpu,cpuacct',
    './cpu,cpuacct cgroup cgroup nosuid,ro,cpu,cpuacct',
    './cpuacct cgroup cgroup nosuid,ro,cpu,cpuacct',
    './systemd cgroup cgroup nosuid,ro,name=systemd',
    '.   remount,bind,nosuid,ro',
  ]);
});

test("without a cgroup namespace the container's own cgroups are bound there, and nothing of others", () => {
  expect(lines(SHARED, V1)).toContain('./cpu bind /sys/fs/cgroup/cpu,cpuacct/pod/x bind,nosuid,ro');
});

test('a hybrid host has v2 besides', () => {
  const hybrid = { ...V1, v2Mount: hostPath('/sys/fs/cgroup/unified') };
  expect(lines(OWN, hybrid)).toContain('./unified cgroup2  nosuid,ro');
  expect(lines(SHARED, hybrid)).toContain('./unified bind /sys/fs/cgroup/unified/pod/x bind,nosuid,ro');
});

test('on v2, and where the container has no cgroup in every hierarchy, it is one mount of cgroup2', () => {
  expect(lines(OWN, V2)).toEqual(['. cgroup2  nosuid,ro']);
  expect(lines(OWN, V1, false)).toEqual(['. cgroup2  nosuid,ro']);
});
