import { expect, test } from 'vitest';
import { v1Hierarchies } from '../../../src/runtime/cgroup-facts.ts';

const OWN = '9:name=systemd:/\n4:memory:/user/me\n2:cpu,cpuacct:/user\n1:pids:/docker/ID\n0::/\n';

test('v1 hierarchies are found where they are mounted, with the own cgroup in each', () => {
  const mounts = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n');
  const cpu = { mount: '/sys/fs/cgroup/cpu,cpuacct', base: '/user' };
  expect(v1Hierarchies(mounts, OWN)).toEqual({
    cpu,
    cpuacct: cpu,
    memory: { mount: '/sys/fs/cgroup/memory', base: '/user/me' },
    'name=systemd': { mount: '/sys/fs/cgroup/systemd', base: '/' },
  });
});

test('inside a container the mount shows a part: the own cgroup is its root, or is not in view', () => {
  const pids = (root: string) => `31 23 0:28 ${root} /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids`;
  expect(v1Hierarchies(pids('/docker/ID'), OWN)).toEqual({
    pids: { mount: '/sys/fs/cgroup/pids', base: '/' },
  });
  expect(v1Hierarchies(pids('/docker'), OWN)).toEqual({
    pids: { mount: '/sys/fs/cgroup/pids', base: '/ID' },
  });
  expect(v1Hierarchies(pids('/docker/OTHER'), OWN)).toEqual({});
});

test('a hierarchy that another mount covers is not there', () => {
  const mounts = [
    '32 31 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd',
    '50 31 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    '51 50 0:29 / /sys/fs/cgroup/pids-again rw - cgroup cgroup rw,pids',
    '52 31 0:51 / /sys/fs/cgroup-not rw - tmpfs tmpfs rw',
  ].join('\n');
  expect(v1Hierarchies(mounts, '1:pids:/\n9:name=systemd:/\n')).toEqual({
    pids: { mount: '/sys/fs/cgroup/pids-again', base: '/' },
  });
});
