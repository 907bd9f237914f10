import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CONTAINER_FLAGS, containerOptions } from '../../../src/cli/container-flags.ts';
import { parseFlags, type Syntax } from '../../../src/cli/flags.ts';
import { DEFAULT_OPTIONS } from '../../support/container-options.ts';

const SYNTAX: Syntax = { verb: 'run', stopsAtFirstWord: true };
const scratch = mkdtempSync(join(tmpdir(), 'tsrun-flags-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function options(args: readonly string[], hostEnv: NodeJS.ProcessEnv = {}) {
  const { flags, rest } = parseFlags(CONTAINER_FLAGS, args, SYNTAX);
  return containerOptions(flags, rest, hostEnv, SYNTAX);
}

function file(name: string, text: string): string {
  writeFileSync(join(scratch, name), text);
  return join(scratch, name);
}

test('an image alone is asked for with the defaults', () => {
  expect(options(['busybox'])).toEqual(DEFAULT_OPTIONS);
});

test('no image is a usage error', () => {
  expect(() => options(['--rm'])).toThrow(expect.objectContaining({ code: 'USAGE', exitCode: 125 }));
});

describe('variables', () => {
  test('have a value, or take the one of the shell, or are left out', () => {
    const env = options(['-e', 'A=1', '-e', 'B', '-e', 'C', '-e', 'D=', 'i'], { B: 'two=2', HOME: '/h' }).env;
    expect(env).toEqual(['A=1', 'B=two=2', 'D=']);
  });

  test('from files come before those of the command line, literally', () => {
    const list = file('list', '# comment\n\n  A=1\r\nB="quoted" # no comment\nPASSED\nEMPTY=\n');
    expect(options(['-e', 'A=2', '--env-file', list, 'i'], { PASSED: 'x' }).env).toEqual([
      'A=1',
      'B="quoted" # no comment',
      'PASSED=x',
      'EMPTY=',
      'A=2',
    ]);
  });

  test.each(['', '=x'])('%j has no name', (entry) => {
    expect(() => options(['-e', entry, 'i'])).toThrow(expect.objectContaining({ code: 'BAD_ENV' }));
  });

  test('a line of a file without a name is refused with its number', () => {
    const list = file('bad', 'A=1\nB C=2\n');
    expect(() => options(['--env-file', list, 'i'])).toThrow(/line 2 of .*"B C"/);
  });

  test('a file that is not there is named', () => {
    expect(() => options(['--env-file', '/nowhere/list', 'i'])).toThrow(
      expect.objectContaining({
        code: 'CANNOT_READ',
        message: expect.stringContaining('/nowhere/list: it does not exist'),
      }),
    );
  });
});

describe('--security-opt', () => {
  test.each([
    ['seccomp=unconfined', { seccomp: 'unconfined' }],
    ['seccomp:unconfined', { seccomp: 'unconfined' }],
    ['no-new-privileges', { noNewPrivileges: true }],
    ['no-new-privileges=true', { noNewPrivileges: true }],
    ['no-new-privileges:false', { noNewPrivileges: false }],
  ])('%s', (option, expected) => {
    expect(options(['--security-opt', option, 'i'])).toMatchObject(expected);
  });

  test('takes a profile from a file', () => {
    const profile = file('profile.json', '{}');
    expect(options(['--security-opt', `seccomp=${profile}`, 'i']).seccomp).toEqual({
      file: profile,
      text: '{}',
    });
  });

  test.each(['', 'seccomp', 'seccomp=', 'no-new-privileges=maybe', 'apparmor=x', 'label=disable'])(
    'refuses %j',
    (option) => {
      expect(() => options(['--security-opt', option, 'i'])).toThrow(
        expect.objectContaining({ code: 'USAGE' }),
      );
    },
  );
});

test.each(['', 'container:', 'a b', '../x', '-x'])('--network %j is refused', (network) => {
  expect(() => options(['--network', network, 'i'])).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

describe('flags about the kernel', () => {
  test('are read into what they ask for', () => {
    const asked = options([
      ...['--ulimit', 'nofile=1:2', '--ulimit', 'core=0', '--ulimit', 'nofile=3:4'],
      ...['--sysctl', 'kernel.sem=1=2', '--sysctl', 'net.a.b='],
      ...['--device', '/dev/fuse:rw', '--device', '/dev/a:/dev/./b'],
      ...['--oom-score-adj', '-5', '--shm-size', '1.5m', '--cgroupns', 'host', '--hardened', 'i'],
    ]);
    expect(asked).toEqual({
      ...DEFAULT_OPTIONS,
      image: 'i',
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 3, hard: 4 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
      oomScoreAdj: -5,
      sysctls: { 'kernel.sem': '1=2', 'net.a.b': '' },
      shmBytes: 1_572_864,
      cgroupNamespace: 'host',
      hardened: true,
      devices: [
        { hostPath: '/dev/fuse', containerPath: '/dev/fuse', access: 'rw' },
        { hostPath: '/dev/a', containerPath: '/dev/b', access: 'rwm' },
      ],
    });
  });

  test.each([
    ['--oom-score-adj', '1001'],
    ['--oom-score-adj', '-1001'],
    ['--oom-score-adj', '1.5'],
    ['--oom-score-adj', ''],
    ['--sysctl', 'kernel.sem'],
    ['--sysctl', '=1'],
    ['--shm-size', '0'],
    ['--shm-size', '-1'],
    ['--shm-size', 'much'],
    ['--cgroupns', 'public'],
  ])('%s %j is refused', (flag, value) => {
    expect(() => options([`${flag}=${value}`, 'i'])).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('--hardened and --privileged contradict each other', () => {
    expect(() => options(['--hardened', '--privileged', 'i'])).toThrow(/choose one/);
  });
});

test('the manager of cgroups is tsrun itself unless systemd is asked for, by flag or by variable', () => {
  const manager = (words: string[], env = {}) => options([...words, 'i'], env).cgroupManager;
  const variable = { TSRUN_CGROUP_MANAGER: 'systemd' };
  expect(manager([])).toBe('cgroupfs');
  expect(manager([], variable)).toBe('systemd');
  expect(manager(['--cgroup-manager=systemd'])).toBe('systemd');
  expect(manager(['--cgroup-manager=cgroupfs'], variable)).toBe('cgroupfs');
  expect(() => manager(['--cgroup-manager=x'])).toThrow(
    '--cgroup-manager takes cgroupfs or systemd, not "x"',
  );
  expect(() => manager([], { TSRUN_CGROUP_MANAGER: 'x' })).toThrow('TSRUN_CGROUP_MANAGER takes');
});

test('--cgroup-parent is passed on, the empty one is none', () => {
  expect(options(['--cgroup-parent', '/a/b', 'i']).cgroupParent).toBe('/a/b');
  expect(options(['--cgroup-parent', '', 'i'])).not.toHaveProperty('cgroupParent');
});

describe('--network', () => {
  test('can be given for several networks, each with what is asked of it', () => {
    const flags = ['--network', 'front', '--ip', '10.0.0.5', '--network-alias', 'www'];
    const more = 'name=back,alias=db,alias=sql,ip6=FD00::5,mac-address=02-42-0A-00-00-05';
    expect(options([...flags, '--network', more, '--network', 'bridge', 'i']).network).toMatchObject({
      mode: { kind: 'network', name: 'front' },
      ip: '10.0.0.5',
      aliases: ['www'],
      more: [
        { network: 'back', aliases: ['db', 'sql'], ip6: 'fd00::5', macAddress: '02:42:0a:00:00:05' },
        { network: 'bridge', aliases: [] },
      ],
    });
  });

  test.each([
    [['--network', 'a', '--network', 'host'], 'cannot be used with any other network'],
    [['--network', 'none', '--network', 'a'], 'cannot be used with any other network'],
    [['--network', 'name=a,ip=10.0.0.1', '--ip', '10.0.0.2'], '--ip and the same in --network'],
    [['--network', 'name=a,alias=x', '--network-alias', 'y'], '--network-alias and the same'],
    [['--network', 'alias=x'], 'does not say name=NETWORK'],
    [['--network', 'name=a,colour=red'], 'not "colour=red"'],
    [['--network', 'name=a,ip='], 'not "ip="'],
    [['--network', 'name=a,ip=fd00::1'], '--ip takes an IPv4 address'],
    [['--network', 'name=host,ip=10.0.0.1'], '--ip cannot be used with --network name=host'],
    [['--network', 'a', '--network', 'name=bridge,alias=x'], '--network-alias needs --network'],
  ])('%j is refused', (flags, message) => {
    expect(() => options([...flags, 'i'])).toThrow(message);
  });
});
