import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { planToShell } from '../../../src/explain/shell/script.ts';
import { TRANSLATIONS } from '../../../src/explain/shell/table.ts';
import { ShellWriter } from '../../../src/explain/shell/writer.ts';
import * as K from '../../../src/kernel/constants.ts';
import type { DbusRequest } from '../../../src/kernel/dbus.ts';
import { type FIELD_KINDS, OPS, type Op, type OpName } from '../../../src/kernel/ops.ts';
import { SAMPLE_NAMES, samplePlan } from './sample-plan.ts';

const NAMES = Object.keys(OPS) as OpName[];

/** A value of each kind; what is prepared under the name `x` is a mount. */
const VALUES: Readonly<Record<keyof typeof FIELD_KINDS, unknown>> = {
  fd: 'x',
  into: 'y',
  at: undefined,
  u64: 0,
  str: 'x',
  bytes: Buffer.from('x'),
  strings: ['x=1', 'x'],
  u32s: [1],
  netlink: [
    { name: 'x', type: 1, flags: 0, header: Buffer.alloc(0), attributes: [], byHand: ['ip', 'link', 'show'] },
  ],
  dbus: [
    { destination: 'x.y', path: '/x', interface: 'x.y.Z', member: 'Do', signature: 's', body: ['x'] },
  ] satisfies DbusRequest,
};
const SPECIAL: { readonly [N in OpName]?: object } = {
  fsconfig: { command: K.FSCONFIG_SET_STRING, key: 'size', value: '1m' },
  mount_setattr: { at: 'x', path: '', set: K.MOUNT_ATTR_RDONLY },
  setns: { type: K.CLONE_NEWNET },
  unshare: { flags: K.CLONE_NEWCGROUP },
  execve: { args: ['true'], env: ['PATH=/bin'] },
};

function opOf(name: OpName): Op {
  const fields = Object.entries(OPS[name].fields).map(([field, kind]) => [field, VALUES[kind]]);
  return { op: name, why: 'REASON', ...Object.fromEntries(fields), ...SPECIAL[name] } as Op;
}

/** What one op adds to a script: its lines, and what it leaves for the commands that come later. */
function translate(name: OpName): string {
  const sh = new ShellWriter([], new Map());
  sh.begin('host');
  const mount = {
    fstype: 'tmpfs',
    source: 'x',
    recursive: false,
    options: [] as string[],
    needs: undefined,
    remounts: [],
  };
  sh.prepareMount('x', mount);
  (TRANSLATIONS[name] as (op: Op, sh: ShellWriter) => void)(opOf(name), sh);
  const prepared =
    JSON.stringify([...sh.mounts.values()]) === JSON.stringify([{ ...mount, options: [], remounts: [] }])
      ? []
      : ['(prepared)'];
  const later = [...sh.last.setpriv, ...sh.launch.flags, ...sh.launch.nsenter, ...sh.refusals, ...prepared];
  return [...[...sh.functions.values()].flat(), ...later].join('\n');
}

test.each(NAMES)('%s has commands, or says that it is not done', (name) => {
  expect(translate(name)).not.toBe('');
});

test('what a shell cannot do at all is this, and nothing has joined it unnoticed', () => {
  expect(NAMES.filter((name) => translate(name).includes('NOT DONE'))).toEqual([
    'chroot',
    'fspick',
    'make_userns',
    'copy_tree',
    'set_mempolicy',
    'send_fd',
    'receive_fd',
    'prctl',
    'personality',
    'join_session_keyring',
    'open_pidfd',
    'seccomp',
    'seccomp_notify',
    'connect_unix',
    'open_pty_peer',
    'set_controlling_tty',
    'copy_winsize',
    'set_winsize',
    'cgroup_device',
    'find_home',
  ]);
});

const EMPTY = { directories: [], files: [], layers: [] };
const script = (name: string) => planToShell({ plan: samplePlan(name), ...EMPTY }, ['run', 'busybox']);

test.each(SAMPLE_NAMES)('the script of %s is one that shells can read', (name) => {
  for (const shell of ['dash', 'bash']) execFileSync(shell, ['-n'], { input: script(name) });
});

test.each(SAMPLE_NAMES)('the script of %s gives the reason of every op', (name) => {
  const words = (text: string) => text.replaceAll(/\n *# */g, ' ').replaceAll(/\s+/g, ' ');
  const text = words(script(name));
  for (const { ops } of samplePlan(name).groups)
    for (const { op, why } of ops) expect(text).toContain(words(`${op}: ${why}`));
});

test('a container that could only be made differently is not made', () => {
  const plan = samplePlan('default');
  const groups = plan.groups.map((group) => ({
    ...group,
    ops: group.ops.map((op): Op => (op.op === 'execve' ? { ...op, args: ['a=b'] } : op)),
  }));
  const text = planToShell({ plan: { ...plan, groups }, ...EMPTY }, ['run']);
  expect(text.slice(text.indexOf('start() {'))).toMatch(/^start\(\) \{\n {2}fail 'env would take/);
});

test('text of users and images stands in no line of its own', () => {
  const evil = "x\nrm -rf /tmp/gone\n'; rm -rf /tmp/gone; '\n# \u001b[31m$(rm -rf /tmp/gone)";
  const plan = samplePlan('default');
  const groups = plan.groups.map((group) => ({
    ...group,
    title: evil,
    ops: group.ops.map((op): Op => {
      if (op.op === 'execve') return { ...op, why: evil, args: ['sh', evil], env: [`A=${evil}`] };
      if (op.op === 'symlink') return { ...op, why: evil, target: evil };
      return { ...op, why: evil };
    }),
  }));
  const text = planToShell(
    { plan: { ...plan, groups }, ...EMPTY, files: [{ path: `/x/${evil}`, text: evil }] },
    ['run', evil],
  );
  expect(text).not.toMatch(/^\s*('; )?rm -rf \/tmp\/gone/m);
  expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  for (const shell of ['dash', 'bash']) execFileSync(shell, ['-n'], { input: text });
});
