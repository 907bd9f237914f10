import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { planCgroup } from '../../../src/cgroup/plan-cgroup.ts';
import { planScope } from '../../../src/cgroup/plan-scope.ts';
import type { Op } from '../../../src/kernel/ops.ts';
import { failureToError } from '../../../src/runtime/failure.ts';
import type { ResourcesSpec } from '../../../src/spec/runtime.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const RESOURCES: ResourcesSpec = {
  memory: { limit: 4096, swap: 8192 },
  cpu: { cpus: '0' },
  blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 1 }] },
};
const V2 = planCgroup(HOST.cgroup, '/a/tsrun-x', RESOURCES).before;
const plan = planCgroup(HYBRID_HOST.cgroup, 'tsrun-x', {
  ...RESOURCES,
  cpu: { cpus: '0', realtimeRuntime: 5 },
});
const V1 = [...plan.before, ...plan.join];
const CONTROLLERS = 'memory, cpuset, io';

function find(ops: readonly Op[], text: string): Op {
  const op = ops.find((one) => one.op === text || ('path' in one && one.path === text));
  if (op === undefined) throw new Error(`the plan has no ${text}`);
  return op;
}

test.each<[readonly Op[], string, keyof typeof constants.errno, string, string]>([
  [
    V2,
    'cgroup.subtree_control',
    'EBUSY',
    `the cgroup / cannot hand down ${CONTROLLERS}: it has proc`,
    '--cgroup-parent',
  ],
  [V2, 'a/cgroup.subtree_control', 'ENOENT', 'the cgroup /a cannot hand down', 'cgroup.controllers'],
  [V2, 'a/cgroup.subtree_control', 'ENOTSUP', 'it is a threaded one', '--cgroup-parent'],
  [V2, 'a/cgroup.subtree_control', 'EROFS', 'EROFS', '--privileged'],
  [V2, 'a/tsrun-x', 'EROFS', 'the cgroup a/tsrun-x cannot be made: EROFS', 'read-only'],
  [V2, 'memory.max', 'EINVAL', 'the kernel refuses "4096" for memory.max: EINVAL', 'correct the limit'],
  [V2, 'memory.swap.max', 'ENOENT', 'this kernel has no memory.swap.max', '--memory-swap'],
  [
    V2,
    'io.weight',
    'ENOENT',
    'this kernel has no io.weight: no such file or directory',
    'CONFIG_BLK_CGROUP_IOCOST',
  ],
  [V2, 'io.max', 'ENODEV', 'the kernel refuses "8:1 rbps=1" for io.max: ENODEV', 'whole disk'],
  [V2, 'cgroup_device', 'EPERM', 'the program that keeps devices from the container was refused', 'CAP_BPF'],
  [V2, 'cgroup_device', 'EINVAL', 'was refused: EINVAL', 'CONFIG_CGROUP_BPF'],
  [V1, 'cpu.rt_runtime_us', 'EINVAL', 'refuses "5" for cpu.rt_runtime_us', 'realtime to give'],
  [V1, 'cpu.rt_runtime_us', 'ENOENT', 'this kernel has no cpu.rt_runtime_us', 'CONFIG_RT_GROUP_SCHED'],
  [V1, 'cpuset.cpus', 'EACCES', 'refuses "0" for cpuset.cpus', 'the cgroup above it'],
  [V1, 'join_cgroup', 'ENOSPC', 'cannot join its cgroup for memory: ENOSPC', 'cpuset.cpus'],
])('a failure on a cgroup, row %#', (ops, text, errno, message, hint) => {
  const error = failureToError({
    index: 0,
    op: find(ops, text),
    errno: constants.errno[errno],
    detail: '',
  });
  expect(error.message).toContain(`Cannot start the container: `);
  expect(error.message).toContain(message);
  expect(error.hint).toContain(hint);
});

test.each<[keyof typeof constants.errno, string, string, string]>([
  ['EEXIST', 'Unit tsrun-x.scope already exists.', 'not make the unit tsrun-x.scope: Unit', 'whose it is'],
  ['ECANCELED', 'the job ended as failed', 'the job ended as failed', 'journalctl -u tsrun-x.scope'],
  ['ENOENT', '', 'cannot be asked for the unit tsrun-x.scope: D-Bus at /run/dbus', 'start dbus.socket'],
  ['ETIMEDOUT', '', 'D-Bus at /run/dbus/system_bus_socket: ETIMEDOUT', 'list-jobs'],
])('a failure of systemd: %s %j', (errno, detail, message, hint) => {
  const [op] = planScope(HOST.cgroup, ':tsrun:x', {}).join;
  if (op === undefined) throw new Error('the plan asks nothing of systemd');
  const error = failureToError({ index: 0, op, errno: constants.errno[errno], detail });
  expect(error.message).toContain(message);
  expect(error.hint).toContain(hint);
});
