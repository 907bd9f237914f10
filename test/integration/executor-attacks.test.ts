/**
 * Root file systems and configurations that try to reach the host through the executor. After each, a directory of the
 * host and the programs of tsrun are what they were: content, mode, owner, links, times.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MASKED_PATHS } from '../../src/security/paths.ts';
import {
  type Change,
  helperPid,
  initPid,
  namespaces,
  STANDARD_MOUNTS,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';
import { fingerprint } from '../support/sentinel.ts';
import { NATIVE_DIRECTORY } from '../support/under-test.ts';

const bundles = useBundles();
const linux = (more: object): NonNullable<Change['linux']> => ({
  namespaces: namespaces(...STANDARD_NAMESPACES),
  ...more,
});

const victim = join(bundles.scratch, 'victim');
mkdirSync(join(victim, 'sub'), { recursive: true });
writeFileSync(join(victim, 'file'), 'precious\n');
writeFileSync(join(victim, 'null'), 'precious too\n');

const everything = () =>
  fingerprint(victim, join(NATIVE_DIRECTORY, 'tsrun-exec'), join(NATIVE_DIRECTORY, 'libtsrun.so'));

let before = '';
beforeEach(() => {
  before = everything();
});
afterEach(() => {
  expect(everything()).toBe(before);
});

function rootWith(make: (path: string) => void): {
  kind: 'directory';
  path: ReturnType<typeof bundles.rootfs>;
} {
  const path = bundles.rootfs();
  make(path);
  return { kind: 'directory', path };
}

function replace(path: string, target: string): void {
  rmSync(path, { recursive: true, force: true });
  symlinkSync(target, path);
}

describe('a root file system in which a directory of the engine is a link', () => {
  const targets = [victim, `/../../../../../..${victim}`, '/etc', 'etc'];

  test.each(['dev', 'proc', 'sys'].flatMap((name) => targets.map((target) => [name, target])))(
    '/%s → %s is refused',
    async (name = '', target = '') => {
      const root = rootWith((path) => replace(join(path, name), target));
      const ran = await bundles.run({ root }, 'true');
      expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'ensure', errno: 40 } });
      expect(ran.failure?.message).toContain('symbolic link');
    },
  );

  test('/dev → victim is refused also when nothing is mounted on it', async () => {
    const root = rootWith((path) => replace(join(path, 'dev'), victim));
    const mounts = STANDARD_MOUNTS.filter((m) => !m.destination.startsWith('/dev'));
    expect(await bundles.run({ root, mounts }, 'true')).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure', errno: 40 },
    });
  });
});

describe('a null device of the image', () => {
  const noDev = STANDARD_MOUNTS.filter((m) => !m.destination.startsWith('/dev'));

  test.each<[string, (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'fake')],
    ['a link to a file of the host', (path) => symlinkSync(join(victim, 'null'), path)],
    ['a link to core_pattern', (path) => symlinkSync('/proc/sys/kernel/core_pattern', path)],
  ])('that is %s has no effect below the /dev of the container', async (_, make) => {
    const root = rootWith((path) => make(join(path, 'dev/null')));
    const text = await bundles.sh(
      { root, linux: linux({ maskedPaths: MASKED_PATHS }) },
      'stat -c %t:%T /dev/null; cat /proc/kcore | wc -c',
    );
    expect(text).toBe('1:3\n0\n');
  });

  test.each<[string, (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'fake')],
    ['a link to a file of the host', (path) => symlinkSync(join(victim, 'null'), path)],
  ])('that is %s is refused when /dev is that of the image (CVE-2025-31133)', async (_, make) => {
    const root = rootWith((path) => make(join(path, 'dev/null')));
    const ran = await bundles.run(
      { root, mounts: noDev, linux: linux({ maskedPaths: MASKED_PATHS }) },
      'true',
    );
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'check_device', errno: 19 } });
  });
});

describe('a bind target that is a link', () => {
  const source = join(bundles.scratch, 'hosts');
  writeFileSync(source, '127.0.0.1 localhost\n');
  const mounts = [...STANDARD_MOUNTS, { destination: '/etc/hosts', source, options: ['bind'] }];

  test.each([
    join(victim, 'file'),
    `/../../..${victim}/file`,
    `../../../../../..${victim}/file`,
    `${victim}/new/file`,
  ])('to %s stays inside the root (CVE-2024-5154)', async (target) => {
    const root = rootWith((path) => symlinkSync(target, join(path, 'etc/hosts')));
    expect(
      await bundles.sh({ root, mounts, files: [source] }, 'cat /etc/hosts; echo 1.2.3.4 x >> /etc/hosts'),
    ).toContain('localhost');
    writeFileSync(source, '127.0.0.1 localhost\n');
  });

  test('through /proc/self/root is refused', async () => {
    const root = rootWith((path) => symlinkSync(`/proc/self/root${victim}/file`, join(path, 'etc/hosts')));
    expect(await bundles.run({ root, mounts, files: [source] }, 'true')).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure' },
    });
  });

  test('to itself, or a chain without end, is refused', async () => {
    const root = rootWith((path) => {
      symlinkSync('hosts', join(path, 'etc/hosts'));
    });
    expect(await bundles.run({ root, mounts, files: [source] }, 'true')).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure', errno: 40 },
    });
    const chain = rootWith((path) => {
      for (let i = 0; i < 60; i++) symlinkSync(`/l${i + 1}/x`, join(path, `l${i}`));
      symlinkSync('/l0', join(path, 'etc/hosts'));
    });
    expect(await bundles.run({ root: chain, mounts, files: [source] }, 'true')).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure' },
    });
  });
});

test('a working directory behind a link is made inside the root (CVE-2022-23648)', async () => {
  const root = rootWith((path) => symlinkSync(victim, join(path, 'l')));
  expect(await bundles.sh({ root, process: { cwd: '/l/x' } }, 'pwd -P')).toBe(`${victim}/x\n`);
});

describe('a mount over /proc/sys, which could take a sysctl to another file, is refused (CVE-2025-52881)', () => {
  const sysctl = { 'net.ipv4.ip_forward': '1' };

  test('a tmpfs', async () => {
    const mounts = [...STANDARD_MOUNTS, { destination: '/proc/sys', type: 'tmpfs' }];
    const ran = async () => bundles.run({ mounts, linux: linux({ sysctl }) }, 'true');
    await expect(ran()).rejects.toThrow('nothing may lie over /proc');
  });

  test('a directory with links to the host', async () => {
    const trap = join(bundles.scratch, 'trap');
    mkdirSync(join(trap, 'ipv4'), { recursive: true });
    symlinkSync(join(victim, 'file'), join(trap, 'ipv4/ip_forward'));
    const mounts = [...STANDARD_MOUNTS, { destination: '/proc/sys/net', source: trap, options: ['bind'] }];
    const ran = async () => bundles.run({ mounts, linux: linux({ sysctl }) }, 'true');
    await expect(ran()).rejects.toThrow('nothing may lie over /proc');
    rmSync(trap, { recursive: true });
  });
});

describe('the program that starts a container (CVE-2019-5736)', () => {
  test.each<[string, (path: string) => void, string]>([
    ['/proc/self/exe', () => {}, '/proc/self/exe'],
    ['a link to it', (path) => symlinkSync('/proc/self/exe', join(path, 'bin/entry')), 'entry'],
    [
      'a script that names it',
      (path) => writeFileSync(join(path, 'bin/entry'), '#!/proc/self/exe\n', { mode: 0o755 }),
      'entry',
    ],
  ])('as the command, by %s, is a sealed copy that does nothing', async (_, make, command) => {
    const ran = await bundles.run({ root: rootWith(make) }, command);
    expect(ran).toMatchObject({ exitCode: 125, stderr: expect.stringContaining('usage: tsrun-exec') });
  });

  test('cannot be opened for writing while it runs, nor written afterwards', async () => {
    const running = bundles.start({}, 'sh', '-c', 'echo ready; exec sleep 1000');
    await running.waitFor(/ready/);
    const exe = `/proc/${helperPid(running)}/exe`;
    expect(() => openSync(exe, 'r+')).toThrow(/ETXTBSY|EPERM/);
    const held = openSync(exe, constants.O_RDONLY);
    process.kill(initPid(running), 'SIGKILL');
    await running.ended;
    const write = () => {
      const fd = openSync(`/proc/self/fd/${held}`, 'r+');
      try {
        writeSync(fd, 'overwritten');
      } finally {
        closeSync(fd);
      }
    };
    expect(write).toThrow(/ETXTBSY|EPERM/);
    closeSync(held);
  });

  test('is not reachable from inside: no process of the host is', async () => {
    const script = 'for p in /proc/[0-9]*; do readlink $p/exe; done | grep -c memfd; true';
    expect(await bundles.sh({}, script)).toBe('0\n');
  });
});

test('the cgroup of the container cannot be written (CVE-2023-25809)', async () => {
  const mounts = [
    ...STANDARD_MOUNTS,
    { destination: '/sys/fs/cgroup', type: 'cgroup', options: ['ro', 'nosuid', 'nodev', 'noexec'] },
  ];
  expect(await bundles.sh({ mounts }, 'mkdir /sys/fs/cgroup/escape 2>&1; true')).toContain(
    'Read-only file system',
  );
});

test('hostile names of a configuration stay one argument of one call', async () => {
  for (const destination of ['/a\nb', '/\u001b[31m', '/ü/名前', `/${'x'.repeat(255)}`])
    expect(
      await bundles.run({ mounts: [...STANDARD_MOUNTS, { destination, type: 'tmpfs' }] }, 'true'),
    ).toMatchObject({ exitCode: 0 });
  const long = await bundles.run({ mounts: [{ destination: `/${'x'.repeat(256)}`, type: 'tmpfs' }] }, 'true');
  expect(long).toMatchObject({ exitCode: 125, failure: { op: 'ensure', errno: 36 } });
  const path = await bundles.run({ mounts: [{ destination: '/x'.repeat(3000), type: 'tmpfs' }] }, 'true');
  expect(path).toMatchObject({ exitCode: 125, failure: { op: 'ensure', errno: 36 } });
});
