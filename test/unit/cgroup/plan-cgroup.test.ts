import { expect, test } from 'vitest';
import { type CgroupHost, canLimitPids } from '../../../src/cgroup/host.ts';
import { planCgroup, plannedCgroups } from '../../../src/cgroup/plan-cgroup.ts';
import type { Op } from '../../../src/kernel/ops.ts';
import { hostPath } from '../../../src/lib/brands.ts';
import type { ResourcesSpec } from '../../../src/spec/runtime.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const PURE = HOST.cgroup;
const HYBRID = HYBRID_HOST.cgroup;
const V1_ALONE: CgroupHost = { ...HYBRID, v2Mount: undefined };
const NONE: CgroupHost = { ...V1_ALONE, v1: {} };

const steps = (ops: readonly Op[]) =>
  ops.flatMap((op) => {
    if (op.op === 'write') return [`${op.at}/${op.path}=${op.data}`];
    if (op.op === 'mkdir') return [`mkdir ${op.at}/${op.path}`];
    if (op.op === 'rmdir') return [`rmdir ${op.at === undefined ? '' : `${op.at}/`}${op.path}`];
    return op.op === 'open' ? [] : [op.op];
  });

test('on cgroup v2 each controller is handed down, and the limit written before the device program', () => {
  expect(
    steps(planCgroup(PURE, 'tsrun-x', { pids: { limit: 100 }, memory: { limit: 4096 } }).before),
  ).toEqual([
    'cgroups/cgroup.subtree_control=+memory +pids',
    'mkdir cgroups/tsrun-x',
    'cgroup/memory.max=4096',
    'cgroup/pids.max=100',
    'cgroup_device',
  ]);
});

test('without a limit no controller is asked for', () => {
  expect(steps(planCgroup(PURE, 'tsrun-x', {}).before)).toEqual(['mkdir cgroups/tsrun-x', 'cgroup_device']);
});

test('a parent is made, and every cgroup on the way hands the controller down', () => {
  expect(steps(planCgroup(PURE, '/a/b/tsrun-x', { pids: { limit: 9 } }).before)).toEqual([
    'cgroups/cgroup.subtree_control=+pids',
    'mkdir cgroups/a',
    'cgroups/a/cgroup.subtree_control=+pids',
    'mkdir cgroups/a/b',
    'cgroups/a/b/cgroup.subtree_control=+pids',
    'mkdir cgroups/a/b/tsrun-x',
    'cgroup/pids.max=9',
    'cgroup_device',
  ]);
});

test('where the root cannot be written, the cgroup lies below the own one', () => {
  const before = steps(planCgroup({ ...PURE, v2Base: '/user/me' }, 'tsrun-x', { pids: { limit: 9 } }).before);
  expect(before).toEqual([
    'cgroups/user/me/cgroup.subtree_control=+pids',
    'mkdir cgroups/user/me/tsrun-x',
    'cgroup/pids.max=9',
    'cgroup_device',
  ]);
});

test('a base with processes of its own gets containers, but no limits', () => {
  const busy = { ...PURE, v2Busy: true };
  expect(steps(planCgroup(busy, 'tsrun-x', {}).before)).toEqual(['mkdir cgroups/tsrun-x', 'cgroup_device']);
  expect(canLimitPids(busy)).toBe(false);
  expect(() => planCgroup(busy, 'tsrun-x', { pids: { limit: 9 }, memory: { limit: 4096 } })).toThrow(
    'the cgroup / has processes of its own, so it cannot hand down memory, pids',
  );
});

test('on a hybrid host only hierarchies with a limit get a cgroup, which the child joins', () => {
  const plan = planCgroup(HYBRID, 'tsrun-x', { memory: { limit: 4096 }, cpu: { cpus: '0' } });
  expect(steps(plan.before)).toEqual([
    'mkdir cgroups/tsrun-x',
    'cgroup_device',
    'mkdir memory-cgroups/caller/tsrun-x',
    'memory-cgroup/memory.limit_in_bytes=4096',
    'mkdir cpuset-cgroups/caller/tsrun-x',
    'cpuset-cgroup/cpuset.mems=0',
    'cpuset-cgroup/cpuset.cpus=0',
  ]);
  expect(steps(plan.join)).toEqual(['join_cgroup', 'join_cgroup']);
  expect(steps(plan.cleanup)).toEqual([
    'rmdir memory-cgroups/caller/tsrun-x',
    'rmdir cpuset-cgroups/caller/tsrun-x',
    // What an update may have made until then.
    'rmdir /sys/fs/cgroup/cpu/caller/tsrun-x',
    'rmdir /sys/fs/cgroup/blkio/caller/tsrun-x',
    'rmdir /sys/fs/cgroup/pids/caller/tsrun-x',
    'rmdir cgroups/tsrun-x',
    'cgroup/cgroup.kill=1',
  ]);
});

test('a path from the root leads out of the own cgroup in v1 too', () => {
  const plan = planCgroup(HYBRID, '/a/tsrun-x', { memory: { limit: 4096 } });
  expect(steps(plan.before).filter((step) => step.includes('memory-cgroups'))).toEqual([
    'mkdir memory-cgroups/a',
    'mkdir memory-cgroups/a/tsrun-x',
  ]);
});

test('where the cgroups are is known for the record', () => {
  expect(plannedCgroups(HYBRID, 'tsrun-x', { memory: { limit: 4096 } })).toEqual({
    v2: '/sys/fs/cgroup/unified/tsrun-x',
    v1: { memory: '/sys/fs/cgroup/memory/caller/tsrun-x' },
  });
  expect(plannedCgroups(PURE, '/a/tsrun-x', { memory: { limit: 4096 } })).toEqual({
    v2: '/sys/fs/cgroup/a/tsrun-x',
    v1: {},
  });
});

test.each(['../x', '/..', 'a/../../x', '', '/', '.'])('the path %j is refused', (path) => {
  expect(() => planCgroup(PURE, path, {})).toThrow('as the path of a cgroup');
});

test('without v2 devices are denied by the files of v1', () => {
  const plan = planCgroup(V1_ALONE, 'tsrun-x', {
    devices: [{ allow: true, type: 'c', major: 10, minor: 229 }],
  });
  expect(plan.bornInside).toBe(false);
  expect(steps(plan.before).slice(0, 4)).toEqual([
    'mkdir devices-cgroups/caller/tsrun-x',
    'devices-cgroup/devices.deny=a',
    'devices-cgroup/devices.allow=c 10:229 rwm',
    'devices-cgroup/devices.allow=c *:* m',
  ]);
  expect(steps(plan.join)).toEqual(['join_cgroup']);
});

test('who may use every device has no rules', () => {
  const all = { devices: [{ allow: true, access: 'rwm' }] };
  expect(steps(planCgroup(PURE, 'tsrun-x', all).before)).toEqual(['mkdir cgroups/tsrun-x']);
  expect(planCgroup(NONE, 'tsrun-x', all)).toEqual({
    before: [],
    join: [],
    hold: [],
    count: [],
    cleanup: [],
    bornInside: false,
  });
});

test.each([
  ['processes', { pids: { limit: 100 } }, 'this host has no cgroup controller pids'],
  ['memory', { memory: { limit: 4096 } }, 'this host has no cgroup controller memory'],
  ['disks', { blockIO: { weight: 100 } }, 'this host has no cgroup controller io (v1: blkio)'],
  ['which devices the container may use', {}, 'this host has no cgroup v2, nor the controller devices of v1'],
])(
  'a limit on %s that the host cannot hold is an error that names the controller',
  (what, resources, message) => {
    expect(() => planCgroup(NONE, 'tsrun-x', resources)).toThrow(`Cannot limit ${what}: ${message}`);
  },
);

test('cleanup ends what is left before it removes: it runs the last op first', () => {
  expect(planCgroup(PURE, 'tsrun-x', { pids: { limit: 1 } }).cleanup.map((op) => op.op)).toEqual([
    'rmdir',
    'write',
  ]);
});

test('memory that ran out is counted where memory is: in v2, and in the v1 hierarchy of a limit', () => {
  const counted = (host: CgroupHost, resources: ResourcesSpec) =>
    planCgroup(host, 'tsrun-x', resources).count.map(
      (op) => op.op === 'count_oom_kills' && `${op.at}/${op.path}`,
    );
  expect(counted(PURE, {})).toEqual(['cgroup/memory.events']);
  expect(counted(HYBRID, { memory: { limit: 4096 } })).toEqual([
    'cgroup/memory.events',
    'memory-cgroup/memory.oom_control',
  ]);
});

test('the cpuset of v1 is given to each cgroup above that has none, and to no other', () => {
  const cpuset = { cpus: '2', mems: '0', unset: ['pod/deep', 'pod/deep/er'] };
  const host: CgroupHost = {
    ...HYBRID,
    v1: { cpuset: { mount: hostPath('/sys/fs/cgroup/cpuset'), base: '/', cpuset } },
  };
  const ofCpuset = steps(planCgroup(host, '/pod/deep/er/x', {}, 'all').before).filter((step) =>
    /cpuset/.test(step),
  );
  expect(ofCpuset).toEqual([
    'mkdir cpuset-cgroups/pod',
    'mkdir cpuset-cgroups/pod/deep',
    'cpuset-cgroups/pod/deep/cpuset.cpus=2',
    'cpuset-cgroups/pod/deep/cpuset.mems=0',
    'mkdir cpuset-cgroups/pod/deep/er',
    'cpuset-cgroups/pod/deep/er/cpuset.cpus=2',
    'cpuset-cgroups/pod/deep/er/cpuset.mems=0',
    'mkdir cpuset-cgroups/pod/deep/er/x',
    'cpuset-cgroup/cpuset.cpus=2',
    'cpuset-cgroup/cpuset.mems=0',
  ]);
});

test("a cgroup of v1 that is there already is used, where a container's others may have made it", () => {
  const own = (which: 'all' | 'limited') =>
    planCgroup(HYBRID, '/pod/x', { pids: { limit: 1 } }, which).before.filter(
      (op) => op.op === 'mkdir' && op.at === 'pids-cgroups' && op.path === 'pod/x',
    );
  expect(own('all')).toMatchObject([{ tolerate: ['EEXIST'] }]);
  expect(own('limited')).not.toMatchObject([{ tolerate: ['EEXIST'] }]);
});
