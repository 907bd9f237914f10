/** The process that a plan makes: its rights, limits, descriptors, directory and program, as /proc shows them inside. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { capabilityMask } from '../../src/security/capabilities.ts';
import {
  type Change,
  gone,
  helperPid,
  initPid,
  namespaces,
  removeCgroup,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';
import { SLOWNESS, sample } from '../support/under-test.ts';

const bundles = useBundles();
const { errno } = constants;

/** Fields of /proc/self/status inside. */
async function statusOf(change: Change): Promise<Map<string, string>> {
  const text = await bundles.sh(change, 'cat /proc/self/status');
  return new Map(text.split('\n').map((line) => line.split(':\t') as [string, string]));
}
const hex = (names: readonly string[]) => capabilityMask(names).toString(16).padStart(16, '0');

describe('capabilities', () => {
  test('of root are exactly those given, and none is inheritable', async () => {
    const given = ['CAP_CHOWN', 'CAP_KILL'];
    const status = await statusOf({
      process: { capabilities: { bounding: given, permitted: given, effective: given } },
    });
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) expect(status.get(set), set).toBe(hex(given));
    for (const set of ['CapInh', 'CapAmb']) expect(status.get(set), set).toBe(hex([]));
  });

  test('of another user survive only as ambient ones', async () => {
    const user = { uid: 1000, gid: 1000 };
    const kill = ['CAP_KILL'];
    const plain = await statusOf({
      process: { user, capabilities: { bounding: kill, permitted: kill, effective: kill } },
    });
    expect([plain.get('CapPrm'), plain.get('CapEff')]).toEqual([hex([]), hex([])]);
    const all = {
      bounding: [...kill, 'CAP_CHOWN'],
      permitted: kill,
      effective: kill,
      inheritable: kill,
      ambient: kill,
    };
    const ambient = await statusOf({ process: { user, capabilities: all } });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(ambient.get(set), set).toBe(hex(kill));
    expect(ambient.get('CapBnd')).toBe(hex(['CAP_KILL', 'CAP_CHOWN']));
  });

  test('none at all can be given', async () => {
    const status = await statusOf({ process: { capabilities: {} } });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status.get(set), set).toBe(hex([]));
  });
});

test('user, groups and umask are what was asked for', async () => {
  const user = { uid: 1000, gid: 1001, additionalGids: [5, 4242], umask: 0o027 };
  const status = await statusOf({ process: { user } });
  expect(status.get('Uid')).toBe('1000\t1000\t1000\t1000');
  expect(status.get('Gid')).toBe('1001\t1001\t1001\t1001');
  // Engines name the primary group among them (CVE-2022-36109); where they do not, it is none, as with runc.
  expect(status.get('Groups')?.trim()).toBe('5 4242');
  expect(status.get('Umask')).toBe('0027');
});

test("nothing of the caller's groups is left", async () => {
  expect((await statusOf({})).get('Groups')?.trim()).toBe('');
});

test('no signal is blocked or ignored, whatever the caller did with it', async () => {
  // Without a shell, which sets some of its own.
  const { stdout } = await bundles.run({}, 'cat', '/proc/self/status');
  for (const set of ['SigBlk', 'SigIgn', 'SigCgt']) expect(stdout).toContain(`${set}:\t0000000000000000\n`);
});

describe('no new privileges', () => {
  test.each([
    [true, '1'],
    [false, '0'],
  ])('%s', async (noNewPrivileges, shown) => {
    expect((await statusOf({ process: { noNewPrivileges } })).get('NoNewPrivs')).toBe(shown);
  });
});

describe('a system call filter', () => {
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW' as const,
    architectures: ['SCMP_ARCH_X86_64' as const, 'SCMP_ARCH_AARCH64' as const],
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' as const, errnoRet: 42 }],
  };

  test.each([true, false])('is loaded with no new privileges %s, and decides', async (noNewPrivileges) => {
    const linux = { namespaces: namespaces(...STANDARD_NAMESPACES), seccomp };
    const script = 'grep Seccomp: /proc/self/status; mkdir /tmp/x || true';
    const ran = await bundles.run({ process: { noNewPrivileges }, linux }, 'sh', '-c', script);
    expect(ran).toMatchObject({
      exitCode: 0,
      stdout: 'Seccomp:\t2\n',
      stderr: expect.stringMatching(/No message of desired type|42/),
    });
  });

  test('is absent without a section', async () => {
    expect((await statusOf({})).get('Seccomp')).toBe('0');
  });
});

describe('resource limits', () => {
  const openFiles = (text: string) => /^Max open files +(\d+) +(\d+)/m.exec(text)?.slice(1);
  const messageBytes = (text: string) => /^Max msgqueue size +(\d+) +(\d+)/m.exec(text)?.slice(1);
  const own = readFileSync('/proc/self/limits', 'utf8');

  test('are set', async () => {
    const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 512, hard: 1024 }];
    const ran = await bundles.sh({ process: { rlimits } }, 'cat /proc/self/limits');
    expect(openFiles(ran)).toEqual(['512', '1024']);
  });

  test("above the caller's are set where the caller may raise its own", async () => {
    const effective = /^CapEff:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    const CAP_SYS_RESOURCE = 24n;
    const mayRaise = ((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
    const [, callersHard = ''] = messageBytes(own) ?? [];
    const asked = 2 * Number(callersHard);
    const rlimits = [{ type: 'RLIMIT_MSGQUEUE', soft: asked, hard: asked }];
    const ran = await bundles.run({ process: { rlimits } }, 'cat', '/proc/self/limits');
    const expected = mayRaise ? `${asked}` : callersHard;
    expect(messageBytes(ran.stdout)).toEqual([expected, expected]);
    expect(ran.trace.find((t) => t.op === 'setrlimit')?.result).toBe(mayRaise ? 0 : 1);
  });

  test('above what the kernel gives to anybody are clamped, and the trace says so', async () => {
    const asked = 2 * Number(readFileSync('/proc/sys/fs/nr_open', 'utf8'));
    const rlimits = [{ type: 'RLIMIT_NOFILE', soft: asked, hard: asked }];
    const ran = await bundles.run({ process: { rlimits } }, 'cat', '/proc/self/limits');
    const [, callersHard] = openFiles(own) ?? [];
    expect(openFiles(ran.stdout)).toEqual([callersHard, callersHard]);
    expect(ran.trace.find((t) => t.op === 'setrlimit')).toMatchObject({ outcome: 'done', result: 1 });
  });

  test('that are no limits fail the start', async () => {
    const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 20, hard: 10 }];
    const ran = await bundles.run({ process: { rlimits } }, 'true');
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'setrlimit', errno: errno.EINVAL } });
  });
});

test('the score for the out-of-memory killer is set', async () => {
  expect(await bundles.sh({ process: { oomScoreAdj: 321 } }, 'cat /proc/self/oom_score_adj')).toBe('321\n');
});

describe('the working directory', () => {
  test('is entered', async () => {
    expect(await bundles.sh({ process: { cwd: '/etc' } }, 'pwd')).toBe('/etc\n');
  });

  test('is made when it is missing, also below a read-only root', async () => {
    const root = { kind: 'directory' as const, path: bundles.rootfs() };
    expect(await bundles.sh({ root, readonlyRoot: true, process: { cwd: '/srv/a/b' } }, 'pwd')).toBe(
      '/srv/a/b\n',
    );
    expect(statSync(join(root.path, 'srv/a/b'))).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
  });

  test('that is a file is an error with its name', async () => {
    const ran = await bundles.run({ process: { cwd: '/bin/busybox/x' } }, 'true');
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'ensure', errno: errno.ENOTDIR } });
    expect(ran.failure?.message).toContain('/bin/busybox');
  });

  test('that the user may not enter is entered by root', async () => {
    const path = bundles.rootfs();
    mkdirSync(join(path, 'secret'), { mode: 0o700 });
    const process = { cwd: '/secret', user: { uid: 1000, gid: 1000 }, capabilities: {} };
    const root = { kind: 'directory' as const, path };
    expect(await bundles.sh({ root, process }, 'pwd; id -u; ls . || echo closed')).toBe(
      '/secret\n1000\nclosed\n',
    );
  });

  test('that is a descriptor in /proc is an error: one of the host would lead out (CVE-2024-21626)', async () => {
    const fds = sample(Array.from({ length: 10 }, (_, i) => i + 3));
    const places = fds.flatMap((fd) => [
      `/proc/self/fd/${fd}`,
      `/proc/1/fd/${fd}/../..`,
      `/proc/thread-self/fd/${fd}`,
    ]);
    const ran = await Promise.all(places.map((cwd) => bundles.run({ process: { cwd } }, 'pwd')));
    ran.forEach((r, i) => {
      expect(r, places[i]).toMatchObject({ exitCode: 125, stdout: '', failure: { op: 'ensure' } });
    });
  });
});

describe('descriptors', () => {
  test('are 0, 1 and 2, whatever the caller left open', async () => {
    expect(await bundles.sh({}, 'ls /proc/1/fd; true')).toBe('0\n1\n2\n');
  });

  test('without -i, standard input is empty and not that of the caller', async () => {
    const running = bundles.start({}, 'cat');
    running.process.stdin?.end('secret');
    expect(await running.ended).toMatchObject({ exitCode: 0, stdout: '' });
  });

  test('with -i, it is that of the caller', async () => {
    const running = bundles.start({ interactive: true }, 'cat');
    running.process.stdin?.end('typed');
    expect(await running.ended).toMatchObject({ exitCode: 0, stdout: 'typed' });
  });

  test('the standard streams can be opened again by the user of the program', async () => {
    const process = { user: { uid: 1000, gid: 1000 } };
    expect(
      await bundles.sh(
        { process, throughPipe: true },
        'echo to stdout > /dev/stdout; echo to stderr > /dev/stderr',
      ),
    ).toBe('to stdout\nto stderr\n');
  });
});

describe('the exit status', () => {
  test('is that of the program', async () => {
    const statuses = sample([0, 1, 2, 42, 124, 125, 126, 127, 128, 200, 254, 255]);
    const ran = await Promise.all(statuses.map((status) => bundles.run({}, 'sh', '-c', `exit ${status}`)));
    expect(ran.map((r) => r.exitCode)).toEqual(statuses);
    expect(ran.map((r) => r.failure)).toEqual(statuses.map(() => undefined));
  });

  test('is 128 + the signal that ended it', async () => {
    // Process 1 of a pid namespace takes no such signal from inside; without one it is a process like any other.
    const linux = { namespaces: namespaces('mount', 'uts', 'network') };
    const signals = sample(['HUP', 'INT', 'KILL', 'SEGV', 'TERM', 'USR1'] as const);
    const ran = await Promise.all(
      signals.map((s) => bundles.run({ linux }, 'sh', '-c', `kill -${s} $$; exit 99`)),
    );
    expect(ran.map((r) => r.exitCode)).toEqual(signals.map((s) => 128 + constants.signals[`SIG${s}`]));
  });
});

describe('the program', () => {
  function rootWith(make: (path: string) => void): Change['root'] {
    const path = bundles.rootfs();
    make(path);
    return { kind: 'directory', path };
  }
  const script = (path: string, text: string, mode: number) => {
    writeFileSync(path, text);
    chmodSync(path, mode);
  };

  test.each<[string, string, number, keyof typeof errno]>([
    ['that is nowhere in PATH', 'nope', 127, 'ENOENT'],
    ['that is not there', '/bin/nope', 127, 'ENOENT'],
    ['below a file', '/bin/busybox/x', 127, 'ENOTDIR'],
    ['without a name', '', 127, 'ENOENT'],
    ['that is a directory', '/etc', 126, 'EACCES'],
    ['that is not executable', '/not-executable', 126, 'EACCES'],
    ['found in PATH, but not executable', 'plain', 126, 'EACCES'],
    ['of no format', '/garbage', 126, 'ENOEXEC'],
    ['whose interpreter is missing', '/no-interpreter', 127, 'ENOENT'],
  ])('%s: %j ends with %i and %s', async (_, command, exitCode, name) => {
    const root = rootWith((path) => {
      script(join(path, 'not-executable'), '#!/bin/sh\n', 0o644);
      script(join(path, 'bin/plain'), '#!/bin/sh\n', 0o644);
      script(join(path, 'garbage'), '\x7fELF no program', 0o755);
      script(join(path, 'no-interpreter'), '#!/bin/nope\n', 0o755);
    });
    const ran = await bundles.run({ ...(root === undefined ? {} : { root }) }, command);
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'execve', errno: errno[name], exitCode } });
    expect(ran.failure?.message).toContain(JSON.stringify(command));
  });

  test('is looked for along the PATH of the container, past what cannot be run', async () => {
    const root = rootWith((path) => {
      mkdirSync(join(path, 'a'));
      mkdirSync(join(path, 'b'));
      script(join(path, 'a/tool'), '#!/bin/sh\necho wrong\n', 0o644);
      script(join(path, 'b/tool'), '#!/bin/sh\necho right\n', 0o755);
    });
    const process = { env: ['PATH=/nowhere:/bin/busybox:/a:/b:/bin'] };
    const ran = await bundles.run({ process, ...(root === undefined ? {} : { root }) }, 'tool');
    expect(ran).toMatchObject({ exitCode: 0, stdout: 'right\n' });
  });

  test('is looked for in the usual places when there is no PATH', async () => {
    expect(await bundles.run({ process: { env: [] } }, 'echo', 'found')).toMatchObject({ stdout: 'found\n' });
  });

  test('gets its arguments and environment byte for byte', async () => {
    const process = { env: ['PATH=/bin', 'HOME=/x', 'EMPTY=', 'Ü=ö=1', 'LINES=a\nb'] };
    const environment = await bundles.run({ process }, 'cat', '/proc/self/environ');
    expect(environment.stdout).toBe(`${process.env.join('\0')}\0`);
    const words = await bundles.run(
      {},
      'sh',
      '-c',
      'for a; do echo "<$a>"; done',
      'sh',
      '',
      'a b',
      '名前',
      '$HOME',
    );
    expect(words.stdout).toBe('<>\n<a b>\n<名前>\n<$HOME>\n');
  });
});

describe('a failure in the middle', () => {
  test.each<[string, Change, string, keyof typeof errno, RegExp]>([
    [
      'a bind source that vanished',
      { mounts: [{ destination: '/x', source: '/nowhere/at/all', options: ['bind'] }] },
      'open_tree',
      'ENOENT',
      /mount source \/nowhere\/at\/all does not exist/,
    ],
    [
      'an unknown file system',
      { mounts: [{ destination: '/x', type: 'nopefs' }] },
      'fsopen',
      'ENODEV',
      /fsopen\(fstype="nopefs"\) → fs: ENODEV/,
    ],
    [
      'an option the file system refuses',
      { mounts: [{ destination: '/x', type: 'tmpfs', options: ['size=many'] }] },
      'fsconfig',
      'EINVAL',
      /key="size", value="many".*EINVAL.*size/,
    ],
    [
      'a sysctl value that is none',
      { linux: { namespaces: namespaces(...STANDARD_NAMESPACES), sysctl: { 'net.ipv4.ip_forward': 'yes' } } },
      'write',
      'EINVAL',
      /refuses the value "yes" for the sysctl net\.ipv4\.ip_forward: EINVAL/,
    ],
    [
      'a hostname that is too long',
      { hostname: 'x'.repeat(65) },
      'sethostname',
      'EINVAL',
      /sethostname\(name="x+"\): EINVAL/,
    ],
  ])('%s names the op, its arguments and the errno', async (_, change, op, name, message) => {
    const ran = bundles.start(change, 'true');
    const { exitCode, failure } = await ran.ended;
    expect({ exitCode, op: failure?.op, errno: failure?.errno }).toEqual({
      exitCode: 125,
      op,
      errno: errno[name],
    });
    expect(failure?.message).toMatch(message);
    for (const mount of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'])
      expect(existsSync(join(mount, ran.cgroupName))).toBe(false);
  });
});

describe('signals', () => {
  test('to the helper reach the container', async () => {
    const script = 'trap "echo got it; exit 3" TERM; echo ready; while true; do sleep 1000 & wait; done';
    const running = bundles.start({}, 'sh', '-c', script);
    await running.waitFor(/ready/);
    process.kill(helperPid(running), 'SIGTERM');
    expect(await running.ended).toMatchObject({ exitCode: 3, stdout: 'ready\ngot it\n' });
  });

  test('to the process that waits reach it too', async () => {
    const running = bundles.start(
      {},
      'sh',
      '-c',
      'trap "exit 4" USR1; echo ready; while true; do sleep 1000 & wait; done',
    );
    await running.waitFor(/ready/);
    running.process.kill('SIGUSR1');
    expect(await running.ended).toMatchObject({ exitCode: 4 });
  });
});

describe('the death of the helper', () => {
  test('is the end of the container', async () => {
    const running = bundles.start(
      { process: { user: { uid: 1000, gid: 1000 } } },
      'sh',
      '-c',
      'echo ready; exec sleep 1000',
    );
    await running.waitFor(/ready/);
    const pid = initPid(running);
    process.kill(helperPid(running), 'SIGKILL');
    await gone(pid);
    expect(await running.ended).toMatchObject({ exitCode: 137 });
    await removeCgroup(running);
  });

  test(
    'at any moment of the start leaves no process',
    async () => {
      for (const round of sample([...Array(24).keys()])) {
        const running = bundles.start({ process: { user: { uid: 1000, gid: 1000 } } }, 'sleep', '1000');
        const helper = await vi.waitFor(() => helperPid(running), { timeout: 5000 * SLOWNESS, interval: 1 });
        // Busy waiting: the start takes a few milliseconds, and each round is to meet another moment of it.
        for (const until = performance.now() + (round / 4) * SLOWNESS; performance.now() < until; );
        process.kill(helper, 'SIGKILL');
        expect((await running.ended).exitCode).toBe(137);
        await removeCgroup(running);
      }
    },
    60_000 * SLOWNESS,
  );
});

test('a link to nothing in the image is made inside the root when something is to be mounted there', async () => {
  const path = bundles.rootfs();
  symlinkSync('../run/resolve/stub.conf', join(path, 'etc/resolv.conf'));
  symlinkSync('/run/resolve/chained', join(path, 'etc/two'));
  mkdirSync(join(path, 'run'));
  const source = join(bundles.scratch, 'resolv.conf');
  writeFileSync(source, 'nameserver 192.0.2.1\n');
  const mounts = ['/etc/resolv.conf', '/etc/two/a/b'].map((destination) => ({
    destination,
    source,
    options: ['bind'],
  }));
  const ran = await bundles.run(
    { root: { kind: 'directory', path }, mounts, files: [source] },
    'cat',
    '/etc/resolv.conf',
    '/run/resolve/chained/a/b',
  );
  expect(ran).toMatchObject({ exitCode: 0, stdout: 'nameserver 192.0.2.1\nnameserver 192.0.2.1\n' });
});
