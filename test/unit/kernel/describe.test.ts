import { expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import { describeOp } from '../../../src/kernel/describe.ts';
import { OPS, type Op, type OpName } from '../../../src/kernel/ops.ts';
import { random } from '../../support/random.ts';
import { randomOp } from '../../support/random-plan.ts';

test.each<[Op, string]>([
  [
    { op: 'clone3', pidfd: 'child', flags: K.CLONE_NEWPID + K.CLONE_NEWNS, cgroup: 'cgroup', why: '' },
    'clone3(flags=CLONE_NEWNS|CLONE_NEWPID, cgroup=cgroup) → child',
  ],
  [
    {
      op: 'open',
      into: 'dir',
      at: 'rootfs',
      path: 'etc',
      flags: K.O_PATH + K.O_DIRECTORY,
      mode: 0,
      resolve: K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS,
      why: '',
    },
    'open(at=rootfs, path="etc", flags=O_PATH|O_DIRECTORY, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS) → dir',
  ],
  [
    { op: 'mknod', at: 'dev', path: 'null', mode: K.S_IFCHR + 0o666, dev: K.makedev(1, 3), why: '' },
    'mknod(at=dev, path="null", mode=020666, dev=1:3)',
  ],
  [
    { op: 'mknod', at: 'dev', path: 'big', mode: K.S_IFCHR, dev: K.makedev(0xfff12, 0xabcde), why: '' },
    'mknod(at=dev, path="big", mode=020000, dev=1048338:703710)',
  ],
  [{ op: 'move_mount', from: 'mount', at: 'target', path: '', why: '' }, 'move_mount(from=mount, at=target)'],
  [
    { op: 'fsconfig', fs: 'fs', command: K.FSCONFIG_CMD_CREATE, key: '', value: '', why: '' },
    'fsconfig(fs=fs, command=FSCONFIG_CMD_CREATE)',
  ],
  [
    { op: 'capset', effective: 1, permitted: 255n, inheritable: 0, why: '' },
    'capset(effective=0x1, permitted=0xff, inheritable=0x0)',
  ],
  [{ op: 'setgroups', groups: [0, 5], why: '' }, 'setgroups(groups=[0, 5])'],
  [{ op: 'seccomp', flags: 0, program: Buffer.alloc(16), why: '' }, 'seccomp(program=<16 bytes>)'],
  [
    { op: 'prctl', option: K.PR_SET_PDEATHSIG, arg2: 9, arg3: 0, arg4: 0, arg5: 0, why: '' },
    'prctl(option=PR_SET_PDEATHSIG, arg2=SIGKILL)',
  ],
  [
    { op: 'execve', args: ['sh', '-c', 'a "b"'], env: [], why: '' },
    'execve(args=["sh", "-c", "a \\"b\\""], env=[])',
  ],
  [{ op: 'unshare', flags: 0x400 + K.CLONE_NEWCGROUP, why: '' }, 'unshare(flags=CLONE_NEWCGROUP|0x400)'],
])('%# is one readable line', (op, line) => {
  expect(describeOp(op)).toBe(line);
});

test('any op with any values is one line that no terminal takes for a command', () => {
  const r = random(3);
  for (const name of Object.keys(OPS) as OpName[])
    for (let i = 0; i < 50; i++) expect(describeOp(randomOp(name, r))).toMatch(/^[a-z0-9_]+\([^\p{Cc}]*\)/u);
});
