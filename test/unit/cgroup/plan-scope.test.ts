import { expect, test } from 'vitest';
import { planScope, scopeCgroups } from '../../../src/cgroup/plan-scope.ts';
import { CHILD_PID, type DbusRequest } from '../../../src/kernel/dbus.ts';
import { describeOp } from '../../../src/kernel/describe.ts';
import { hostPath } from '../../../src/lib/brands.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const PATH = 'a-b.slice:tsrun:x';
const SCOPE = 'a.slice/a-b.slice/tsrun-x.scope';

test('the child is put into a scope, and goes on into a leaf of it, where the limits are', () => {
  const plan = planScope(HOST.cgroup, PATH, {
    devices: [{ allow: true }],
    memory: { limit: 4096 },
    pids: { limit: 9 },
  });
  expect(plan.join.map((op) => describeOp(op).replace(/request=.*\)$/, '…'))).toEqual([
    'systemd_job(bus="/run/dbus/system_bus_socket", unit="tsrun-x.scope", …',
    'open(path="/sys/fs/cgroup", flags=O_PATH|O_DIRECTORY) → cgroups',
    `mkdir(at=cgroups, path="${SCOPE}/container", mode=0755)`,
    `open(at=cgroups, path="${SCOPE}/container", flags=O_PATH|O_DIRECTORY) → cgroup`,
    'join_cgroup(cgroup=cgroup)',
    `write(at=cgroups, path="${SCOPE}/cgroup.subtree_control", data="+memory +pids")`,
    'write(at=cgroup, path="memory.max", data="4096")',
    'write(at=cgroup, path="pids.max", data="9")',
  ]);
  expect(plan).toMatchObject({ before: [], bornInside: false });
});

test('a process of ours keeps the scope until what was counted is read', () => {
  const { hold, count } = planScope(HOST.cgroup, PATH, {});
  expect(hold.map(describeOp)).toEqual([
    `mkdir(at=cgroups, path="${SCOPE}/holder", mode=0755)`,
    `open(at=cgroups, path="${SCOPE}/holder", flags=O_PATH|O_DIRECTORY) → holder`,
    'hold_cgroup(cgroup=holder)',
  ]);
  expect(count.toReversed().map(({ op }) => op)).toEqual(['count_oom_kills', 'release_cgroup', 'rmdir']);
});

test('systemd gets the slice, the pid of the child, and what makes the scope ours', () => {
  const [job] = planScope(HOST.cgroup, PATH, {}).join;
  const [hello, match, start] = (job as unknown as { request: DbusRequest }).request;
  expect([hello?.member, match?.member, start?.member]).toEqual(['Hello', 'AddMatch', 'StartTransientUnit']);
  expect(match?.body[0]).toContain("member='JobRemoved',arg2='tsrun-x.scope'");
  const [unit, mode, properties] = start?.body ?? [];
  expect([unit, mode]).toEqual(['tsrun-x.scope', 'fail']);
  expect(properties).toEqual(
    expect.arrayContaining([
      ['Slice', { signature: 's', value: 'a-b.slice' }],
      ['Delegate', { signature: 'b', value: true }],
      ['DefaultDependencies', { signature: 'b', value: false }],
      ['CollectMode', { signature: 's', value: 'inactive-or-failed' }],
      ['PIDs', { signature: 'au', value: [CHILD_PID] }],
    ]),
  );
});

test('controllers that systemd does not know are handed down from the root on', () => {
  const host = { ...HOST.cgroup, v2Controllers: [...HOST.cgroup.v2Controllers, 'hugetlb'] };
  const { join } = planScope(host, PATH, {
    memory: { limit: 4096 },
    hugepageLimits: [{ pageSize: '2MB', limit: 0 }],
  });
  const written = join.flatMap((op) =>
    op.op === 'write' && op.at === 'cgroups' ? [`${op.path} ${op.data}`] : [],
  );
  expect(written).toEqual([
    'cgroup.subtree_control +hugetlb',
    'a.slice/cgroup.subtree_control +hugetlb',
    'a.slice/a-b.slice/cgroup.subtree_control +hugetlb',
    `${SCOPE}/cgroup.subtree_control +memory +hugetlb`,
  ]);
});

test('the record has the leaf and the unit', () => {
  expect(scopeCgroups(HOST.cgroup, PATH)).toEqual({
    v2: hostPath(`/sys/fs/cgroup/${SCOPE}/container`),
    v1: {},
    scope: 'tsrun-x.scope',
  });
});

test('without systemd, and where v1 has the controllers, systemd is not asked', () => {
  const without = { ...HOST.cgroup, hasSystemd: false };
  expect(() => planScope(without, PATH, {})).toThrow('it is not the init of this system');
  expect(() => planScope(HYBRID_HOST.cgroup, PATH, {})).toThrow('the controllers are those of cgroup v1');
});
