/** An op as one line, in the shape of the system call it is: `move_mount(rootfs → "/dev")`. Constants appear by name. */
import { escapeForTerminal } from '../lib/errors.ts';
import * as K from './constants.ts';
import { type DbusRequest, describeCall } from './dbus.ts';
import { describeMessage, NETLINK_NETFILTER, NETLINK_ROUTE, type NetlinkRequest } from './netlink.ts';
import { OPS, type Op } from './ops.ts';

export function describeOp(op: Op): string {
  const fields = OPS[op.op].fields;
  const args = Object.entries(fields).flatMap(([name, kind]) => {
    const value = (op as unknown as Record<string, unknown>)[name];
    if (kind === 'into' || value === undefined || value === '') return [];
    if (MEANINGLESS_ZERO.has(`${op.op}.${name}`) && BigInt(value as number | bigint) === 0n) return [];
    return [`${name}=${show(op.op, name, kind, value)}`];
  });
  const into = Object.entries(fields).find(([, kind]) => kind === 'into');
  const result = into === undefined ? '' : ` → ${(op as unknown as Record<string, unknown>)[into[0]]}`;
  return escapeForTerminal(`${op.op}(${args.join(', ')})${result}`);
}

type Names = readonly (readonly [bit: number | bigint, name: string])[];

const NAMESPACE_FLAGS: Names = (
  [
    'CLONE_NEWUSER',
    'CLONE_NEWNS',
    'CLONE_NEWPID',
    'CLONE_NEWNET',
    'CLONE_NEWIPC',
    'CLONE_NEWUTS',
    'CLONE_NEWCGROUP',
    'CLONE_NEWTIME',
  ] as const
).map((name) => [K[name], name]);
const OPEN_FLAGS: Names = (
  ['O_PATH', 'O_DIRECTORY', 'O_NOFOLLOW', 'O_NOCTTY', 'O_RDWR', 'O_WRONLY'] as const
).map((name) => [K[name], name]);
const RESOLVE_FLAGS: Names = (
  ['RESOLVE_IN_ROOT', 'RESOLVE_NO_SYMLINKS', 'RESOLVE_NO_MAGICLINKS'] as const
).map((name) => [K[name], name]);
const TREE_FLAGS: Names = (['OPEN_TREE_CLONE', 'AT_RECURSIVE'] as const).map((name) => [K[name], name]);
const MOUNT_ATTRIBUTES: Names = (
  [
    'MOUNT_ATTR_RDONLY',
    'MOUNT_ATTR_NOSUID',
    'MOUNT_ATTR_NODEV',
    'MOUNT_ATTR_NOEXEC',
    'MOUNT_ATTR_NOATIME',
    'MOUNT_ATTR_STRICTATIME',
    'MOUNT_ATTR_NODIRATIME',
    'MOUNT_ATTR_IDMAP',
    'MOUNT_ATTR_NOSYMFOLLOW',
  ] as const
).map((name) => [K[name], name]);
const MS_FLAGS: Names = (
  ['MS_RDONLY', 'MS_REC', 'MS_PRIVATE', 'MS_SLAVE', 'MS_SHARED', 'MS_UNBINDABLE'] as const
).map((name) => [K[name], name]);
const FILE_TYPES: Names = [
  [K.S_IFDIR, 'S_IFDIR'],
  [K.S_IFREG, 'S_IFREG'],
];
const FSCONFIG: readonly string[] = [
  'FSCONFIG_SET_FLAG',
  'FSCONFIG_SET_STRING',
  '',
  '',
  '',
  '',
  'FSCONFIG_CMD_CREATE',
  'FSCONFIG_CMD_RECONFIGURE',
];
const NETLINK_PROTOCOLS: Readonly<Record<number, string>> = {
  [NETLINK_ROUTE]: 'NETLINK_ROUTE',
  [NETLINK_NETFILTER]: 'NETLINK_NETFILTER',
};
const PROTOCOL_FIELDS = new Set(['reserve_port.protocol', 'proxy_port.protocol']);
const IP_PROTOCOLS: Readonly<Record<number, string>> = {
  [K.IPPROTO_TCP]: 'IPPROTO_TCP',
  [K.IPPROTO_UDP]: 'IPPROTO_UDP',
};
const PRCTL: Readonly<Record<number, string>> = {
  [K.PR_SET_PDEATHSIG]: 'PR_SET_PDEATHSIG',
  [K.PR_SET_KEEPCAPS]: 'PR_SET_KEEPCAPS',
  [K.PR_SET_NO_NEW_PRIVS]: 'PR_SET_NO_NEW_PRIVS',
};

/** How a field is shown, by op and name; what is not listed is shown as it is. */
const SHOWN: Readonly<Record<string, Names>> = {
  'clone3.flags': NAMESPACE_FLAGS,
  'unshare.flags': NAMESPACE_FLAGS,
  'setns.type': NAMESPACE_FLAGS,
  'open.flags': OPEN_FLAGS,
  'open.resolve': RESOLVE_FLAGS,
  'ensure.resolve': RESOLVE_FLAGS,
  'ensure.type': FILE_TYPES,
  'open_tree.flags': TREE_FLAGS,
  'mount_setattr.flags': TREE_FLAGS,
  'mount_setattr.set': MOUNT_ATTRIBUTES,
  'mount_setattr.clear': MOUNT_ATTRIBUTES,
  'mount_setattr.propagation': MS_FLAGS,
  'fsmount.attributes': MOUNT_ATTRIBUTES,
  'mount.flags': MS_FLAGS,
  'umount.flags': [[K.MNT_DETACH, 'MNT_DETACH']],
};
/** Arguments that most calls leave at 0, where 0 says nothing. */
const MEANINGLESS_ZERO = new Set([
  'open.mode',
  'open.resolve',
  'mount_setattr.flags',
  'mount_setattr.set',
  'mount_setattr.clear',
  'mount_setattr.propagation',
  'fsmount.attributes',
  'prctl.arg3',
  'prctl.arg4',
  'prctl.arg5',
  'seccomp.flags',
]);
const OCTAL = new Set(['mkdir.mode', 'ensure.mode', 'mknod.mode', 'chmod.mode', 'umask.mask']);
const HEX = new Set([
  'drop_bounding.keep',
  'capset.effective',
  'capset.permitted',
  'capset.inheritable',
  'ambient.mask',
]);

function show(op: string, field: string, kind: string, value: unknown): string {
  const key = `${op}.${field}`;
  const names = SHOWN[key];
  if (names !== undefined) return flags(BigInt(value as number | bigint), names);
  if (key === 'netlink_socket.protocol') return NETLINK_PROTOCOLS[Number(value)] ?? String(value);
  if (PROTOCOL_FIELDS.has(key)) return IP_PROTOCOLS[Number(value)] ?? String(value);
  if (key === 'fsconfig.command') return FSCONFIG[Number(value)] ?? String(value);
  if (key === 'prctl.option') return PRCTL[Number(value)] ?? String(value);
  if (key === 'mknod.dev' || key === 'check_device.dev')
    return deviceNumber(BigInt(value as number | bigint));
  if (key === 'prctl.arg2' && value === K.SIGKILL) return 'SIGKILL';
  if (OCTAL.has(key)) return value === 0 ? '0' : `0${Number(value).toString(8)}`;
  if (HEX.has(key)) return `0x${BigInt(value as number | bigint).toString(16)}`;
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (kind === 'netlink') return `[${(value as NetlinkRequest).map(describeMessage).join(', ')}]`;
  if (kind === 'dbus') return `[${(value as DbusRequest).map(describeCall).join(', ')}]`;
  if (Array.isArray(value)) return `[${value.map((v) => JSON.stringify(v)).join(', ')}]`;
  // Names of descriptors stand without quotes, text with.
  return kind === 'str' || kind === 'bytes' ? JSON.stringify(value) : String(value);
}

function flags(value: bigint, names: Names): string {
  const set = names.filter(([bit]) => bit !== 0 && (value & BigInt(bit)) === BigInt(bit));
  const rest = set.reduce((left, [bit]) => left & ~BigInt(bit), value);
  const parts = [...set.map(([, name]) => name), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])];
  return parts.length === 0 ? '0' : parts.join('|');
}

function deviceNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
