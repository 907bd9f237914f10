/** Whose a container's cgroup is. OCI Runtime Specification, config-linux.md, Cgroup ownership. */
import { expect, test } from 'vitest';
import { planDelegation } from '../../../src/runtime/plan-delegation.ts';
import type { RuntimeSpec } from '../../../src/spec/runtime.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const CGROUP = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid'] };
const spec = (change: Partial<RuntimeSpec['linux']> = {}, mount: object = {}, uid = 7): RuntimeSpec => ({
  ociVersion: '1.3.0',
  root: { path: '/rootfs' },
  process: { terminal: false, cwd: '/', args: ['sh'], env: [], user: { uid, gid: 0 } },
  mounts: [{ ...CGROUP, ...mount }],
  linux: { namespaces: [{ type: 'cgroup' }], ...change },
});
const owners = (one: RuntimeSpec, host = HOST) =>
  planDelegation(one, host).map((op) => op.op === 'chown' && [op.path, op.uid]);

test('a cgroup that is mounted to be written belongs to the user, and what the kernel leaves to it', () => {
  expect(owners(spec())).toEqual([
    ['', 7],
    ['cgroup.procs', 7],
    ['cgroup.subtree_control', 7],
    ['memory.reclaim', 7],
  ]);
});

test('the user is the one of the host that the mappings say', () => {
  const user = { type: 'user' } as const;
  const uidMappings = [{ containerID: 5, hostID: 1000, size: 3 }];
  const namespaces = [user, { type: 'cgroup' as const }];
  expect(owners(spec({ namespaces, uidMappings }))[0]).toEqual(['', 1002]);
  expect(owners(spec({ namespaces, uidMappings }, {}, 8))).toEqual([]);
});

test.each<[string, RuntimeSpec]>([
  ['a mount that is read-only', spec({}, { options: ['ro'] })],
  ['a mount elsewhere', spec({}, { destination: '/cgroup' })],
  ['no cgroup namespace', spec({ namespaces: [] })],
  ['one that is joined', spec({ namespaces: [{ type: 'cgroup', path: '/proc/1/ns/cgroup' }] })],
  ['root, to whom it belongs', spec({}, {}, 0)],
])('it stays as it is with %s', (_, one) => {
  expect(owners(one)).toEqual([]);
});

test('it stays as it is on a host with v1, where that would not be safe', () => {
  expect(owners(spec(), HYBRID_HOST)).toEqual([]);
});
