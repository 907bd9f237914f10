/** The default profile, loaded into the running kernel: what a program in a container meets. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_CAPABILITIES } from '../../../src/security/capabilities.ts';
import { compileSeccomp } from '../../../src/security/seccomp-compile.ts';
import { defaultSeccomp } from '../../../src/security/seccomp-default.ts';
import { SYSCALL_TABLES } from '../../../src/security/syscalls.gen.ts';
import type { HostArch } from '../../../src/spec/docker-seccomp.ts';
import { buildC } from './libseccomp.ts';

const HOST: HostArch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const { EPERM, ENOSYS } = constants.errno;

let folder: string;
let enforce: string;
let filter: string;
let flags: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsrun-seccomp-'));
  enforce = join(folder, 'enforce');
  filter = join(folder, 'filter');
  buildC('enforce.c', enforce);
  const compiled = compileSeccomp(defaultSeccomp(DEFAULT_CAPABILITIES, HOST, { major: 6, minor: 1 }), HOST);
  writeFileSync(filter, compiled.program);
  flags = compiled.flags;
});
afterAll(() => rmSync(folder, { recursive: true }));

// Each call would end otherwise for root without the filter: with EFAULT, EBADF or success.
test.each([
  'mount',
  'unshare',
  'setns:-1',
  'keyctl',
  'bpf',
  'io_uring_setup:1',
  'socket:38',
  'socket:40',
  'personality:0x40000',
  'clone:0x10000000',
])('%s is refused with EPERM', (call) => {
  expect(run(call)).toBe(-EPERM);
});

test('clone3 does not exist, so that the C library falls back to clone', () => {
  expect(run('clone3')).toBe(-ENOSYS);
});

test.each([500, 1000, 0x3fffffff])('the unknown call %i does not exist', (number) => {
  expect(run(String(number))).toBe(-ENOSYS);
});

test('an internet socket, ptrace and getpid work', () => {
  expect(run('socket:2:1:0')).toBeGreaterThanOrEqual(0);
  expect(run('ptrace:0')).toBe(0);
  expect(run('getpid')).toBeGreaterThan(0);
});

test('32-bit calls cannot reach a socket to the host of a VM', (context) => {
  if (!hasI386()) return skip(context, 'this kernel runs no i386 programs');
  expect(run('i386:20')).toBeGreaterThan(0); // getpid
  expect(run('i386:359:2:1:0')).toBeGreaterThanOrEqual(0); // socket(AF_INET)
  expect(run('i386:359:40:1:0')).toBe(-EPERM); // socket(AF_VSOCK)
  expect(run('i386:102:1:0')).toBe(-EPERM); // socketcall(SYS_SOCKET): the family is out of the filter's sight
});

/** The result of one call under the filter; a call is a name of this machine, or a number, with arguments. */
function run(call: string): number {
  const [name = '', ...args] = call.split(':');
  const number = /^(\d+|i386)$/.test(name) ? name : String(numberOf(name));
  const output = execFileSync(enforce, [filter, String(flags), [number, ...args].join(':')], {
    encoding: 'utf8',
  });
  return Number(output.trim().split('\n').at(-1));
}

function numberOf(name: string): number {
  let next = 0;
  for (const word of SYSCALL_TABLES[HOST].split(' ')) {
    if (word.startsWith('@')) next = Number(word.slice(1));
    else if (next++ >= 0 && word === name) return next - 1;
  }
  throw new Error(`${HOST} has no ${name}`);
}

/** Without 32-bit emulation `int $0x80` ends in a SIGSEGV. */
function hasI386(): boolean {
  return HOST === 'x86_64' && spawnSync(enforce, [filter, String(flags), 'i386:20']).status === 0;
}

function skip(context: { skip: (reason: string) => void }, reason: string): void {
  if (process.env.STRICT === '1') throw new Error(`skipped in strict mode: ${reason}`);
  context.skip(reason);
}
