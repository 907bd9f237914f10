/** Fields of a bundle's configuration that no flag of `tsrun run` reaches: what they come to, seen from inside. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, inject, test } from 'vitest';
import type { DeviceSpec, ProcessSpec, RuntimeSpec } from '../../src/spec/runtime.ts';
import {
  type Change,
  namespaces,
  STANDARD_MOUNTS,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';

const bundles = useBundles();
const linux = (more: Partial<RuntimeSpec['linux']>): NonNullable<Change['linux']> => ({
  namespaces: namespaces(...STANDARD_NAMESPACES),
  ...more,
});
const withProcess = (process: Partial<ProcessSpec>): Change => ({ process });

describe('the scheduler', () => {
  /** proc_pid_stat(5): nice, realtime priority, policy. */
  const show = 'busybox cut -d" " -f19,40,41 /proc/self/stat';

  test.for<[ProcessSpec['scheduler'], string]>([
    [{ policy: 'SCHED_BATCH', nice: 7 }, '7 0 3'],
    [{ policy: 'SCHED_OTHER', nice: -3 }, '-3 0 0'],
    [{ policy: 'SCHED_IDLE' }, '0 0 5'],
  ])('%s', async ([scheduler, expected]) => {
    expect(
      await bundles.sh(withProcess({ scheduler: scheduler as NonNullable<typeof scheduler> }), show),
    ).toBe(`${expected}\n`);
  });

  test('that the kernel refuses is an error', async () => {
    const ran = await bundles.run(withProcess({ scheduler: { policy: 'SCHED_OTHER', priority: 5 } }), 'true');
    expect(ran.failure).toMatchObject({ op: 'sched_setattr' });
  });
});

test.for([
  [{ class: 'IOPRIO_CLASS_IDLE', priority: 0 }, /^idle/],
  [{ class: 'IOPRIO_CLASS_BE', priority: 6 }, /^best-effort: prio 6/],
  [{ class: 'IOPRIO_CLASS_RT', priority: 3 }, /^realtime: prio 3/],
] as const)('the input and output priority %o', async ([ioPriority, expected]) => {
  expect(await bundles.sh(withProcess({ ioPriority }), 'busybox ionice -p 1')).toMatch(expected);
});

test('the personality of a 32-bit processor', async () => {
  const change = { linux: linux({ personality: { domain: 'LINUX32' } }) };
  expect(await bundles.sh(change, 'busybox uname -m')).toMatch(/^i686|^armv8l/);
});

describe('the memory policy', () => {
  test('is in force', async () => {
    const change = { linux: linux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: '0' } }) };
    expect(await bundles.sh(change, 'cat /proc/self/numa_maps')).toMatch(/ bind:0 /);
  });

  test('for nodes that are not there is an error', async () => {
    const change = { linux: linux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: '5' } }) };
    expect((await bundles.run(change, 'true')).failure).toMatchObject({ op: 'set_mempolicy' });
  });

  test('for what is no list of nodes is refused', async () => {
    const change = { linux: linux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: 'all' } }) };
    await expect(bundles.run(change, 'true')).rejects.toThrow('BAD_LIST');
  });
});

test('a terminal has the size that was asked for, not that of the caller', async () => {
  const change: Change = {
    process: { terminal: true, consoleSize: { height: 31, width: 97 } },
    inTerminal: { rows: 5, columns: 6 },
  };
  expect(await bundles.sh(change, 'stty size')).toContain('31 97');
});

describe.skipIf(existsSync('/sys/fs/selinux/enforce'))('without SELinux', () => {
  test('a label of the program is refused', async () => {
    const change = withProcess({ selinuxLabel: 'system_u:system_r:container_t:s0' });
    await expect(bundles.run(change, 'true')).rejects.toThrow('this kernel has no SELinux');
  });

  test('one of files means nothing', async () => {
    const change = { linux: linux({ mountLabel: 'system_u:object_r:container_file_t:s0' }) };
    expect(await bundles.sh(change, 'echo hello')).toBe('hello\n');
  });
});

test.skipIf(existsSync('/sys/module/apparmor/parameters/enabled'))(
  'without AppArmor a profile is refused',
  async () => {
    await expect(bundles.run(withProcess({ apparmorProfile: 'acme' }), 'true')).rejects.toThrow(
      'this kernel has no AppArmor',
    );
  },
);

describe('devices', () => {
  const DEVICES: readonly DeviceSpec[] = [
    { type: 'c', path: '/dev/sub/full', major: 1, minor: 7, fileMode: 0o20640, uid: 3, gid: 4 },
    { type: 'u', path: '/dev/unbuffered', major: 1, minor: 5, fileMode: 0o600 },
    { type: 'b', path: '/var/disk', major: 7, minor: 200 },
    { type: 'p', path: '/tmp/pipe', fileMode: 0o622 },
  ];
  const show = 'stat -c "%n %F %t:%T %a %u:%g" /dev/sub/full /dev/unbuffered /var/disk /tmp/pipe';
  const EXPECTED =
    '/dev/sub/full character special file 1:7 640 3:4\n' +
    '/dev/unbuffered character special file 1:5 600 0:0\n' +
    '/var/disk block special file 7:c8 666 0:0\n' +
    '/tmp/pipe fifo 0:0 622 0:0\n';

  test('of every type, anywhere, with mode and owner', async () => {
    const change = {
      linux: linux({ devices: DEVICES }),
      root: { kind: 'directory' as const, path: bundles.rootfs() },
    };
    expect(await bundles.sh(change, show)).toBe(EXPECTED);
    expect(await bundles.sh(change, show)).toBe(EXPECTED); // those outside of /dev are there already
  });

  test('that something else is in the place of are refused', async () => {
    const root = bundles.rootfs();
    execFileSync('mknod', [join(root, 'tmp/pipe'), 'c', '1', '3']);
    const change = { linux: linux({ devices: DEVICES }), root: { kind: 'directory' as const, path: root } };
    expect((await bundles.run(change, 'true')).failure).toMatchObject({ op: 'mknod', errno: 17 });
  });

  test('are those of the image where nothing is mounted on /dev', async () => {
    const root = bundles.rootfs();
    execFileSync('mknod', [join(root, 'dev/null'), 'c', '1', '3']);
    const change = {
      mounts: STANDARD_MOUNTS.filter(({ destination }) => !destination.startsWith('/dev')),
      root: { kind: 'directory' as const, path: root },
    };
    expect(await bundles.sh(change, 'echo x >/dev/null; stat -c %t:%T /dev/null /dev/zero')).toBe(
      '1:3\n1:5\n',
    );
  });
});

describe('parameters of the kernel', () => {
  test('of a joined network namespace may be set, if it is not the one of the host', async () => {
    const name = `tsr-${process.pid}-sys`;
    execFileSync('ip', ['netns', 'add', name]);
    try {
      const joined = (path: string): Change => ({
        linux: {
          namespaces: [...namespaces('pid', 'mount', 'ipc', 'uts'), { type: 'network', path }],
          sysctl: { 'net.ipv4.ip_forward': '1', 'kernel.domainname': 'example' },
        },
      });
      const show = 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname';
      expect(await bundles.sh(joined(`/run/netns/${name}`), show)).toBe('1\nexample\n');
      const ran = await bundles.run(joined(`/proc/${process.pid}/ns/net`), 'true');
      expect(ran.failure).toMatchObject({ op: 'check_other_namespace', errno: 17 });
    } finally {
      execFileSync('ip', ['netns', 'del', name]);
    }
  });
});

describe('a supervisor of system calls', () => {
  const socket = () => join(bundles.scratch, `agent-${Math.random().toString(36).slice(2)}`);
  const asking = (listenerPath: string, process: Partial<ProcessSpec> = {}): Change => ({
    process,
    linux: linux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
        listenerPath,
        listenerMetadata: 'about "it"',
        syscalls: [
          { names: ['mkdir', 'mkdirat', 'setresuid', 'close_range', 'umask'], action: 'SCMP_ACT_NOTIFY' },
        ],
      },
    }),
  });

  test.for([true, false])('decides about each call; no_new_privs %s', async (noNewPrivileges) => {
    const path = socket();
    const agent = spawn(inject('seccompAgent'), [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const printed = text(agent.stdout);
    await new Promise((resolve) => agent.stdout.once('data', resolve));
    const script = 'mkdir /tmp/forbidden 2>&1; mkdir /tmp/allowed && ls /tmp; echo /proc/[0-9]*';
    const root = bundles.rootfs();
    chmodSync(join(root, 'tmp'), 0o777);
    const ran = await bundles.run(
      { ...asking(path, { noNewPrivileges }), root: { kind: 'directory', path: root } },
      'sh',
      '-c',
      script,
    );
    expect(ran.stdout).toBe(
      "mkdir: can't create directory '/tmp/forbidden': No medium found\nallowed\n/proc/1\n",
    );
    const [, line = ''] = (await printed).split('\n');
    const state = JSON.parse(line) as { pid: number; state: { pid: number } };
    expect(state).toEqual({
      ociVersion: '1.3.0',
      fds: ['seccompFd'],
      pid: state.pid,
      metadata: 'about "it"',
      state: { ociVersion: '1.3.0', id: 'box', status: 'creating', pid: state.pid, bundle: '/run/bundle' },
    });
    expect(state.pid).toBeGreaterThan(1);
  });

  test('must be there', async () => {
    const ran = await bundles.run(asking(socket()), 'true');
    expect(ran.failure).toMatchObject({
      op: 'connect_unix',
      errno: 2,
      message: expect.stringContaining('failed to connect with seccomp agent'),
    });
  });
});

test.for([
  [['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'], 'SCMP_ACT_ALLOW'],
  [['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'], 'SCMP_ACT_LOG'],
  [[], 'SCMP_ACT_KILL_PROCESS'],
  [[], 'SCMP_ACT_KILL_THREAD'],
  [[], 'SCMP_ACT_TRAP'],
  [[], 'SCMP_ACT_ERRNO'],
  [[], 'SCMP_ACT_TRACE'],
] as const)('a filter with the flags %j that answers mkdir by %s', async ([flags, action]) => {
  const root = bundles.rootfs();
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW' as const,
    flags,
    syscalls: [{ names: ['mkdir', 'mkdirat'], action }],
  };
  const change: Change = { linux: linux({ seccomp }), root: { kind: 'directory', path: root } };
  const statuses = { SCMP_ACT_ALLOW: 0, SCMP_ACT_LOG: 0, SCMP_ACT_ERRNO: 1, SCMP_ACT_TRACE: 1 } as const;
  const SIGSYS = 159;
  const ran = await bundles.run(change, 'mkdir', '/tmp/made');
  expect(ran.exitCode).toBe(action in statuses ? statuses[action as keyof typeof statuses] : SIGSYS);
});

test.for([true, false])(
  'a filter may be older than the calls that are made on the way to the program; no_new_privs %s',
  async (noNewPrivileges) => {
    const seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW' as const,
      syscalls: [{ names: ['close_range', 'getcwd'], action: 'SCMP_ACT_ERRNO' as const, errnoRet: 38 }],
    };
    const change = { linux: linux({ seccomp }), process: { noNewPrivileges } };
    expect(await bundles.sh(change, 'ls /proc/1/fd; true')).toBe('0\n1\n2\n');
  },
);

describe('HOME, where the environment does not say it', () => {
  const passwd = 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:\nann2:x:1000:0::/no:\nlast:x:7::/x';
  const homeOf = (uid: number, file: (etc: string) => void, env: readonly string[] = []) => {
    const path = bundles.rootfs();
    mkdirSync(join(path, 'etc'), { recursive: true });
    file(join(path, 'etc'));
    const process = { env: ['PATH=/bin', ...env], user: { uid, gid: 0 } };
    return bundles.sh({ root: { kind: 'directory', path }, process }, 'env | busybox grep ^HOME=');
  };
  const write = (text: string) => (etc: string) => writeFileSync(join(etc, 'passwd'), text);

  test.for<[number, string]>([
    [0, '/root'],
    [1000, '/home/ann'],
    [7, '/'],
    [8, '/'],
  ])('of user %i is that of the container: %s', async ([uid, home]) => {
    expect(await homeOf(uid, write(passwd))).toBe(`HOME=${home}\n`);
  });

  test('an empty one is none, and another one is kept', async () => {
    expect(await homeOf(0, write(passwd), ['HOME='])).toBe('HOME=/root\n');
    expect(await homeOf(0, write(passwd), ['HOME=/srv'])).toBe('HOME=/srv\n');
  });

  test('the file is found below the root of the container', async () => {
    const link = (etc: string) => {
      symlinkSync('../../../../etc/passwd.inside', join(etc, 'passwd'));
      writeFileSync(join(etc, 'passwd.inside'), 'root:x:0:0::/inside:\n');
    };
    expect(await homeOf(0, link)).toBe('HOME=/inside\n');
  });

  test.for<[string, (etc: string) => void]>([
    ['a pipe', (etc) => execFileSync('mkfifo', [join(etc, 'passwd')])],
    ['a descriptor', (etc) => symlinkSync('/proc/self/fd/3', join(etc, 'passwd'))],
    ['a directory', (etc) => mkdirSync(join(etc, 'passwd'))],
    ['a line without an end', write(`root:x:0:0::/${'a'.repeat(100_000)}`)],
    ['a home that is too long', write(`root:x:0:0::/${'a'.repeat(5000)}:/bin/sh\n`)],
    ['control characters', write('root:x:0:0::/a\rb:/bin/sh\n')],
    ['a NUL', write('root:x:0:0::/a\0b:/bin/sh\n')],
    ['numbers that are none', write(':x::0::/a:\n:x:-0:0::/b:\n:x:0x0:0::/c:\n:x: 0:0::/d:\n')],
    [
      'a gigabyte of nothing',
      (etc) => {
        write('')(etc);
        truncateSync(join(etc, 'passwd'), 2 ** 30);
      },
    ],
  ])('is / where the file is hostile: %s', async ([, file]) => {
    expect(await homeOf(0, file)).toBe('HOME=/\n');
  });
});
