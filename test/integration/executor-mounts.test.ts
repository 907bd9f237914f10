/** Files as they are inside a container: the root, mounts, devices, what is hidden or read-only, kernel parameters. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MASKED_PATHS, READONLY_PATHS } from '../../src/security/paths.ts';
import {
  type Change,
  namespaces,
  STANDARD_MOUNTS,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';

const bundles = useBundles();
const linux = (more: object): NonNullable<Change['linux']> => ({
  namespaces: namespaces(...STANDARD_NAMESPACES),
  ...more,
});

describe('/dev', () => {
  test('holds exactly the standard devices', async () => {
    const script = 'cd /dev; for f in $(find . -type c | sort); do stat -c "%n %t:%T %a %u:%g" $f; done';
    expect(await bundles.sh({}, script)).toBe(
      [
        './full 1:7 666 0:0',
        './null 1:3 666 0:0',
        './pts/ptmx 5:2 666 0:0',
        './random 1:8 666 0:0',
        './tty 5:0 666 0:0',
        './urandom 1:9 666 0:0',
        './zero 1:5 666 0:0',
        '',
      ].join('\n'),
    );
  });

  test('holds exactly the standard links', async () => {
    const script = 'cd /dev; for f in $(find . -type l | sort); do echo "$f $(readlink $f)"; done; ls';
    expect(await bundles.sh({}, script)).toBe(
      `${[
        './core /proc/kcore',
        './fd /proc/self/fd',
        './ptmx pts/ptmx',
        './stderr /proc/self/fd/2',
        './stdin /proc/self/fd/0',
        './stdout /proc/self/fd/1',
      ].join('\n')}\ncore\nfd\nfull\nnull\nptmx\npts\nrandom\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n`,
    );
  });

  test('gets the devices of the specification with their modes and owners', async () => {
    const devices = [
      { type: 'c', path: '/dev/fuse', major: 10, minor: 229, fileMode: 0o640, uid: 3, gid: 4 },
      { type: 'b', path: '/dev/disk/by-name/root', major: 254, minor: 70000 },
      { type: 'p', path: '/dev/pipe', fileMode: 0o600 },
    ] as const;
    const script = 'stat -c "%F %t:%T %a %u:%g" /dev/fuse /dev/disk/by-name/root /dev/pipe';
    expect(await bundles.sh({ linux: linux({ devices }) }, script)).toBe(
      'character special file a:e5 640 3:4\nblock special file fe:11170 666 0:0\nfifo 0:0 600 0:0\n',
    );
  });
});

describe('a hidden path', () => {
  test('of a file reads as empty, of a directory as an empty one, and neither can be written', async () => {
    const maskedPaths = [
      '/proc/version',
      '/proc/uptime',
      '/proc/irq',
      '/sys/firmware',
      '/proc/not-there',
      '/etc/file/below',
    ];
    const root = { kind: 'directory' as const, path: bundles.rootfs() };
    writeFileSync(join(root.path, 'etc/file'), '');
    const script =
      'cat /proc/uptime /proc/version | wc -c; ls -A /proc/irq /sys/firmware; touch /proc/irq/x 2>&1; mkdir /sys/firmware/x 2>&1; stat -c %t:%T /proc/version; test -e /proc/not-there || echo absent';
    expect(await bundles.sh({ root, linux: linux({ maskedPaths }) }, script)).toMatch(
      /^0\n\/proc\/irq:\n\n\/sys\/firmware:\n.*touch: .*Read-only file system\n.*mkdir: .*Read-only file system\n1:3\nabsent\n$/s,
    );
  });

  test('of Docker is hidden or not there', async () => {
    const maskedPaths = MASKED_PATHS;
    const text = await bundles.sh(
      { linux: linux({ maskedPaths }) },
      `for p in ${maskedPaths.join(' ')}; do if test -d $p; then ls -A $p | wc -l; elif test -e $p; then cat $p | wc -c; fi; done`,
    );
    expect(new Set(text.trim().split('\n'))).toEqual(new Set(['0']));
  });
});

describe('a read-only path', () => {
  test('can be read and not written, with all below it', async () => {
    const readonlyPaths = [...READONLY_PATHS, '/proc/not-there'];
    const text = await bundles.sh(
      { linux: linux({ readonlyPaths }) },
      'cat /proc/sys/kernel/ostype; (echo x > /proc/sys/kernel/hostname) 2>&1; touch /proc/irq/default_smp_affinity 2>&1; true',
    );
    expect(text).toMatch(/^Linux\n.*Read-only file system\n.*Read-only file system\n$/s);
  });
});

describe('a read-only root', () => {
  test('cannot be written, but what is mounted on it can', async () => {
    const mounts = [...STANDARD_MOUNTS, { destination: '/tmp', type: 'tmpfs', options: ['mode=1777'] }];
    const script =
      'echo x > /tmp/x && cat /tmp/x; touch /x 2>&1; mount -o remount,rw / 2>&1; touch /x 2>&1; true';
    expect(await bundles.sh({ readonlyRoot: true, mounts }, script)).toMatch(
      /^x\ntouch: \/x: Read-only file system\nmount: .*\ntouch: \/x: Read-only file system\n$/s,
    );
  });

  test('the directory on the host stays writable', async () => {
    const root = { kind: 'directory' as const, path: bundles.rootfs() };
    await bundles.sh({ root, readonlyRoot: true }, 'true');
    expect(() => mkdirSync(join(root.path, 'later'))).not.toThrow();
  });
});

describe('mounts of the specification', () => {
  const source = join(bundles.scratch, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'file'), 'of the host\n');

  test('have the options that were asked for', async () => {
    const mounts = [
      ...STANDARD_MOUNTS,
      {
        destination: '/t',
        type: 'tmpfs',
        source: 'named',
        options: ['size=1m', 'mode=1770', 'nosuid', 'noexec', 'noatime'],
      },
      { destination: '/r', type: 'tmpfs', options: ['rro'] },
      { destination: '/b', source, options: ['rbind', 'rro', 'nodev'] },
      { destination: '/f', source: join(source, 'file'), options: ['bind'] },
    ];
    const text = await bundles.sh(
      { mounts, files: [join(source, 'file')] },
      'grep -E " /(t|r|b|f) " /proc/mounts; stat -c %a /t; cat /b/file /f; touch /b/x /r/x 2>&1; echo more >> /f; true',
    );
    expect(text).toMatch(/^named \/t tmpfs rw,nosuid,noexec,noatime,size=1024k,mode=1770/m);
    expect(text).toMatch(/^tmpfs \/r tmpfs ro,/m);
    expect(text).toMatch(/ \/b \S+ ro,nodev/);
    expect(text).toMatch(/ \/f \S+ rw/);
    expect(text).toMatch(
      /1770\nof the host\nof the host\ntouch: \/b\/x: Read-only.*\ntouch: \/r\/x: Read-only/,
    );
    expect(readFileSync(join(source, 'file'), 'utf8')).toBe('of the host\nmore\n');
    expect(readdirSync(source)).toEqual(['file', 'sub']);
  });

  test('get their directories made in the root, in the order they are listed', async () => {
    const mounts = [
      ...STANDARD_MOUNTS,
      { destination: '/a/b/c', type: 'tmpfs' },
      { destination: '/a/b/c/d/e', type: 'tmpfs', source: 'inner' },
    ];
    expect(await bundles.sh({ mounts }, 'grep inner /proc/mounts')).toMatch(/^inner \/a\/b\/c\/d\/e tmpfs/);
  });

  test('a file on a directory, or a directory on a file, is an error', async () => {
    const on = (destination: string, from: string, files: string[]) =>
      bundles.run({ mounts: [{ destination, source: from, options: ['bind'] }], files }, 'true');
    const file = join(source, 'file');
    expect(await on('/etc', file, [file])).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure', errno: 21 },
    });
    expect(await on('/bin/busybox', source, [])).toMatchObject({
      exitCode: 125,
      failure: { op: 'ensure', errno: 20 },
    });
  });
});

describe('kernel parameters', () => {
  test('are set for the container and not for the host', async () => {
    const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
    const before = readFileSync(file, 'utf8');
    const sysctl = { 'net.ipv4.ip_unprivileged_port_start': '7', 'kernel/shmmni': '99' };
    expect(await bundles.sh({ linux: linux({ sysctl }) }, `cat ${file} /proc/sys/kernel/shmmni`)).toBe(
      '7\n99\n',
    );
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  test('are written before /proc/sys is made read-only, and without a /proc too', async () => {
    const sysctl = { 'net.ipv4.ip_unprivileged_port_start': '8' };
    const change = linux({ sysctl, readonlyPaths: READONLY_PATHS });
    const mounts = STANDARD_MOUNTS.filter((m) => m.destination !== '/proc');
    const ran = await bundles.run({ linux: linux({ sysctl }), mounts }, 'true');
    expect(ran.trace.find((t) => t.op === 'write' && t.who === 'child')).toMatchObject({ outcome: 'done' });
    expect(await bundles.sh({ linux: change }, 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe(
      '8\n',
    );
  });

  test.each([
    'kernel.core_pattern',
    'vm.swappiness',
    'net/../kernel/core_pattern',
    'kernel.hostname',
    'fs.file-max',
  ])('%s belongs to the host: the plan is refused before anything runs (CVE-2022-0811)', async (key) => {
    const before = readFileSync('/proc/sys/kernel/core_pattern');
    await expect(bundles.run({ linux: linux({ sysctl: { [key]: '|/evil' } }) }, 'true')).rejects.toThrow(
      'SYSCTL_DENIED',
    );
    expect(readFileSync('/proc/sys/kernel/core_pattern')).toEqual(before);
  });
});
