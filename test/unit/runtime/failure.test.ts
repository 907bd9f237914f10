import { once } from 'node:events';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import * as K from '../../../src/kernel/constants.ts';
import type { Op } from '../../../src/kernel/ops.ts';
import { errnoName, failureToError } from '../../../src/runtime/failure.ts';

type Errno = keyof typeof constants.errno;
const fail = (op: Op, errno: Errno, detail = '') =>
  failureToError({ index: 0, op, errno: constants.errno[errno], detail });
const exec = (command: string): Op => ({ op: 'execve', args: [command, 'x'], env: [], why: '' });

describe('a program that cannot be run', () => {
  test.each<[string, Errno, number, string]>([
    ['nope', 'ENOENT', 127, 'exec: "nope": executable file not found in $PATH'],
    ['/bin/nope', 'ENOENT', 127, 'exec: "/bin/nope": no such file or directory'],
    ['/bin/sh/x', 'ENOTDIR', 127, 'exec: "/bin/sh/x": not a directory'],
    ['/etc', 'EACCES', 126, 'exec: "/etc": permission denied'],
    ['/bin/x', 'ENOEXEC', 126, 'exec: "/bin/x": exec format error'],
    ['/bin/x', 'ELOOP', 126, 'exec: "/bin/x": ELOOP'],
    ['', 'ENOENT', 127, 'exec: ""'],
  ])('%s with %s ends with %i', (command, errno, exitCode, message) => {
    const error = fail(exec(command), errno, command);
    expect(error.message).toContain(`Cannot start the container: ${message}`);
    expect(error).toMatchObject({ code: 'START_FAILED', exitCode });
    if (errno !== 'ELOOP') expect(error.hint).toBeTruthy();
  });
});

describe('a place in the root that cannot be used', () => {
  const ensure: Op = {
    op: 'ensure',
    into: 'target',
    at: 'rootfs',
    path: 'etc/passwd/x',
    type: K.S_IFDIR,
    mode: 0o755,
    resolve: 0,
    why: '',
  };

  test.each<[Op, Errno, string, string]>([
    [ensure, 'ENOTDIR', 'etc/passwd', '/etc/passwd/x is not a directory: /etc/passwd is a file'],
    [ensure, 'EISDIR', '', '/etc/passwd/x is a directory'],
    [ensure, 'ELOOP', '', 'symbolic link'],
    [{ op: 'chdir', path: '/secret', why: '' }, 'EACCES', '', 'may not enter /secret'],
    [
      { op: 'check_device', fd: 'node null', dev: 0n, why: '' },
      'ENODEV',
      '',
      'has a file null where the device',
    ],
  ])('%#', (op, errno, detail, message) => {
    expect(fail(op, errno, detail)).toMatchObject({
      exitCode: 125,
      message: expect.stringContaining(message),
    });
  });
});

describe('a clone that is refused', () => {
  const clone: Op = { op: 'clone3', pidfd: 'child', flags: 0, why: '' };

  test.each<[Errno, string]>([
    ['EPERM', 'run as root'],
    ['ENOSPC', '/proc/sys/user'],
    ['EAGAIN', 'RLIMIT_NPROC'],
  ])('with %s has a hint', (errno, hint) => {
    expect(fail(clone, errno).hint).toContain(hint);
  });
});

test('a mount source that is not there is named', () => {
  const op: Op = { op: 'open_tree', into: 'mount', path: '/data', flags: 1, why: '' };
  expect(fail(op, 'ENOENT').message).toContain('the mount source /data does not exist');
});

test('a filter that is refused says how it would be taken', () => {
  const op: Op = { op: 'seccomp', flags: 0, program: Buffer.alloc(8), why: '' };
  expect(fail(op, 'EACCES').hint).toContain('no-new-privileges');
});

test('any other failure shows the call, the errno and what the kernel said', () => {
  const op: Op = {
    op: 'fsconfig',
    fs: 'fs',
    command: K.FSCONFIG_SET_STRING,
    key: 'size',
    value: 'x',
    why: '',
  };
  expect(fail(op, 'EINVAL', "tmpfs: Bad value for 'size'").message).toBe(
    `Cannot start the container: fsconfig(fs=fs, command=FSCONFIG_SET_STRING, key="size", value="x"): EINVAL: invalid argument (tmpfs: Bad value for 'size')`,
  );
});

test('what a container chose to be called does not steer the terminal of whoever reads the message', () => {
  const command = '\u001b]0;owned\u0007\u009b31m';
  for (const errno of ['ENOENT', 'EACCES', 'EINVAL'] as const)
    expect(fail(exec(command), errno, command).message).not.toMatch(/\p{Cc}/u);
  const place: Op = { op: 'chdir', path: command, why: '' };
  for (const errno of ['ENOENT', 'EACCES', 'ENOTDIR'] as const)
    expect(fail(place, errno, command).message).not.toMatch(/\p{Cc}/u);
});

test('an errno that is not known keeps its number', () => {
  expect(errnoName(4000)).toBe('errno 4000');
});

describe('a write that the kernel refuses', () => {
  const write = (at: string, path: string, text: string): Op => ({
    op: 'write',
    at,
    path,
    data: Buffer.from(text),
    why: '',
  });
  test.each<[Op, Errno, string]>([
    [write('child-proc', 'oom_score_adj', '-5'), 'EACCES', 'the OOM score cannot be set to -5'],
    [write('proc', 'sys/net/ipv4/nope', '1'), 'ENOENT', 'this kernel has no sysctl net.ipv4.nope'],
    [
      write('proc', 'sys/kernel/sem', 'x'),
      'EINVAL',
      'refuses the value "x" for the sysctl kernel.sem: EINVAL',
    ],
  ])('is told in words of the flag it came from', (op, errno, message) => {
    expect(fail(op, errno).message).toContain(message);
  });
});

describe('a port of the host', () => {
  const reserve = (port: number, address = '0.0.0.0'): Op => ({
    op: 'reserve_port',
    protocol: K.IPPROTO_TCP,
    address,
    port,
    why: '',
  });

  test('that a program listens at: the message names it', async () => {
    const server = createServer().listen(0);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const error = fail(reserve(port), 'EADDRINUSE');
    expect(error.message).toMatch(
      new RegExp(`tcp port ${port} of 0.0.0.0 is in use by .+ \\(process ${process.pid}\\)`),
    );
    expect(error.hint).toContain('choose another port');
    server.close();
  });

  test('at an address that the host does not have', () => {
    const error = fail(reserve(80, '192.0.2.1'), 'EADDRNOTAVAIL');
    expect(error.message).toContain('no interface of this host has the address');
  });
});
