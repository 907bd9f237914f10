/**
 * Which kernel parameters a container may set: only those of its own namespaces. Every other sysctl belongs to the
 * host, and some of them run programs there (kernel.core_pattern, CVE-2022-0811).
 */
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';

/** Which namespaces are the container's own, not the host's nor another container's. */
export interface OwnNamespaces {
  readonly network: boolean;
  readonly ipc: boolean;
  readonly user: boolean;
  readonly uts: boolean;
}

interface SysctlFamily {
  readonly pattern: RegExp;
  readonly namespace: 'network' | 'ipc' | 'uts';
}

/** Matched against the path below /proc/sys. */
const FAMILIES: readonly SysctlFamily[] = [
  { pattern: /^net\/./, namespace: 'network' },
  { pattern: /^fs\/mqueue\/./, namespace: 'ipc' },
  { pattern: /^kernel\/(msg|shm)[a-z_]+$/, namespace: 'ipc' },
  { pattern: /^kernel\/sem$/, namespace: 'ipc' },
  { pattern: /^kernel\/domainname$/, namespace: 'uts' },
];

/**
 * The sysctls of a container: the defaults and on top of them what was asked for, with paths below /proc/sys as keys
 * (`net/ipv4/ip_forward`). Throws `SYSCTL_DENIED` for one that is not the container's own.
 */
export function chooseSysctls(
  asked: Readonly<Record<string, string>>,
  own: OwnNamespaces,
): Readonly<Record<string, string>> {
  const checked = Object.entries(asked).map(([key, value]) => [
    checkSysctl(key, own),
    checkValue(key, value),
  ]);
  return { ...defaultSysctls(own), ...Object.fromEntries(checked) };
}

/** Lets every user of the container ping and listen on ports under 1024: both harmless on a network of its own. */
export function defaultSysctls(own: OwnNamespaces): Readonly<Record<string, string>> {
  if (!own.network) return {};
  return {
    'net/ipv4/ip_unprivileged_port_start': '0',
    // The kernel refuses a range of groups that the user namespace does not map (EINVAL).
    ...(own.user ? {} : { 'net/ipv4/ping_group_range': '0 2147483647' }),
  };
}

/** The kinds of namespaces that `sysctls` are parameters of. */
export function sysctlNamespaces(
  sysctls: Readonly<Record<string, string>>,
): readonly SysctlFamily['namespace'][] {
  const paths = Object.keys(sysctls).map(sysctlPathOf);
  const touched = FAMILIES.filter(({ pattern }) => paths.some((path) => pattern.test(path)));
  return [...new Set(touched.map(({ namespace }) => namespace))];
}

/** The path of `key` below /proc/sys, once it is known to be the container's own. */
export function checkSysctl(key: string, own: OwnNamespaces): string {
  const path = sysctlPathOf(key);
  const family = FAMILIES.find(({ pattern }) => pattern.test(path));
  if (!family)
    throw denied(
      key,
      'it belongs to the host',
      'a container may set net.*, fs.mqueue.* and kernel.{msg*,sem,shm*}',
    );
  if (!own[family.namespace])
    throw denied(
      key,
      `the container has no ${family.namespace} namespace of its own`,
      `give it one, or set ${escapeForTerminal(key)} where the namespace belongs`,
    );
  return path;
}

/**
 * Both ways of writing a key, as sysctl(8) reads them: the first separator decides. `net.ipv4.conf.eth0/1.forwarding`
 * and `net/ipv4/conf/eth0.1/forwarding` are the same file. A step upwards could leave /proc/sys.
 */
export function sysctlPathOf(key: string): string {
  const dotted = key.search(/[./]/) === key.indexOf('.');
  const path = dotted ? key.replace(/[./]/g, (c) => (c === '.' ? '/' : '.')) : key;
  const parts = path.split('/');
  const isPlain = parts.length > 1 && parts.every((part) => /^[\w.:@+-]+$/.test(part) && !/^\.+$/.test(part));
  if (isPlain) return path;
  throw denied(
    key,
    'it is not the name of a sysctl',
    'write it as net.ipv4.ip_forward or net/ipv4/ip_forward',
  );
}

/** A sysctl file takes one line; a second one would be another write. */
function checkValue(key: string, value: string): string {
  if (/^[^\0\r\n]*$/.test(value)) return value;
  throw denied(key, 'its value is not one line of text', 'remove the line break');
}

function denied(key: string, reason: string, hint: string): TsrunError {
  return new TsrunError('SYSCTL_DENIED', `Cannot set the sysctl "${escapeForTerminal(key)}": ${reason}`, {
    hint,
  });
}
