import { expect, test } from 'vitest';
import { type CgroupHost, planCgroup } from '../../../src/cgroup/plan-cgroup.ts';
import { hostPath } from '../../../src/lib/brands.ts';

const PURE: CgroupHost = { v2Mount: hostPath('/sys/fs/cgroup'), v2Controllers: ['cpu', 'memory', 'pids'] };
const HYBRID: CgroupHost = { v2Mount: hostPath('/sys/fs/cgroup/unified'), v2Controllers: [] };
const NONE: CgroupHost = { v2Mount: undefined, v2Controllers: [] };

const writes = (host: CgroupHost, limit: number | undefined) =>
  planCgroup(host, 'tsrun-x', limit)?.before.flatMap((op) =>
    op.op === 'write' ? [`${op.path}=${op.data}`] : [],
  );

test('on cgroup v2 the number of processes is limited', () => {
  expect(writes(PURE, 100)).toEqual(['cgroup.subtree_control=+pids', 'pids.max=100']);
});

test('without a limit no controller is asked for', () => {
  expect(writes(PURE, undefined)).toEqual([]);
});

test('on a hybrid host the cgroup lies below the v2 mount', () => {
  expect(planCgroup(HYBRID, 'tsrun-x', undefined)?.before[0]).toMatchObject({
    path: '/sys/fs/cgroup/unified',
  });
});

test('without cgroup v2 there is none', () => {
  expect(planCgroup(NONE, 'tsrun-x', undefined)).toBeUndefined();
});

test.each([
  ['a hybrid host', HYBRID],
  ['a host without cgroup v2', NONE],
])('a limit that %s cannot enforce is an error that names the controller', (_name, host) => {
  expect(() => planCgroup(host, 'tsrun-x', 100)).toThrow(
    'Cannot limit the container to 100 processes: cgroup v2 has no pids controller on this host',
  );
});

test('cleanup ends what is left before it removes: it runs the last op first', () => {
  expect(planCgroup(PURE, 'tsrun-x', 1)?.cleanup.map((op) => op.op)).toEqual(['rmdir', 'write']);
});
