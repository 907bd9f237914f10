import { expect, test } from 'vitest';
import { checkSysctl, chooseSysctls, defaultSysctls, sysctlPathOf } from '../../../src/security/sysctls.ts';

const OWN = { network: true, ipc: true, user: false, uts: true };

test.each([
  ['net.ipv4.ip_forward', 'net/ipv4/ip_forward'],
  ['net/ipv4/ip_forward', 'net/ipv4/ip_forward'],
  ['net.ipv4.conf.eth0/1.forwarding', 'net/ipv4/conf/eth0.1/forwarding'],
  ['net/ipv4/conf/eth0.1/forwarding', 'net/ipv4/conf/eth0.1/forwarding'],
  ['kernel.shm_rmid_forced', 'kernel/shm_rmid_forced'],
  ['kernel.msgmax', 'kernel/msgmax'],
  ['kernel.sem', 'kernel/sem'],
  ['fs.mqueue.msg_max', 'fs/mqueue/msg_max'],
])('%s is allowed, as the file %s', (key, path) => {
  expect(checkSysctl(key, OWN)).toBe(path);
});

test.each([
  'kernel.core_pattern',
  'kernel/core_pattern',
  'vm.overcommit_memory',
  'fs.file-max',
  'kernel.semantics',
  'kernel.shm/../core_pattern',
  'net/../kernel/core_pattern',
  'net.//..kernel.core_pattern',
  'net/./ipv4',
  '/net/ipv4/ip_forward',
  'net..ipv4',
  'net.',
  'net',
  '',
  'net.ipv4.ip_forward\n',
  'net.ipv4.\0',
])('%j is refused', (key) => {
  expect(() => checkSysctl(key, OWN)).toThrow(expect.objectContaining({ code: 'SYSCTL_DENIED' }));
});

test('a sysctl of a namespace that belongs to the host is refused', () => {
  expect(() => checkSysctl('net.ipv4.ip_forward', { ...OWN, network: false })).toThrow(/network namespace/);
  expect(() => checkSysctl('kernel.shmmax', { ...OWN, ipc: false })).toThrow(/ipc namespace/);
  expect(() => checkSysctl('fs.mqueue.msg_max', { ...OWN, ipc: false })).toThrow(/ipc namespace/);
});

test('a value of two lines is refused', () => {
  expect(() => chooseSysctls({ 'kernel.sem': '1\n2' }, OWN)).toThrow(/one line/);
});

test('what was asked for replaces the default, in whatever form it was written', () => {
  expect(chooseSysctls({ 'net.ipv4.ip_unprivileged_port_start': '1024' }, OWN)).toEqual({
    'net/ipv4/ip_unprivileged_port_start': '1024',
    'net/ipv4/ping_group_range': '0 2147483647',
  });
});

test('the defaults are for a network of its own, and pings for groups that exist', () => {
  expect(defaultSysctls({ ...OWN, network: false })).toEqual({});
  expect(defaultSysctls({ ...OWN, user: true })).toEqual({ 'net/ipv4/ip_unprivileged_port_start': '0' });
});

test('a key is a path below /proc/sys', () => {
  expect(sysctlPathOf('kernel.core_pattern')).toBe('kernel/core_pattern');
});
