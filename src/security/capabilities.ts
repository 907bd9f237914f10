/**
 * Capabilities: root's power in pieces (capabilities(7)). The table, the default set, and what --cap-add and
 * --cap-drop make of it. A set is a bigint mask where the kernel reads it and a list of CAP_ names where people do.
 */
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';

/** Every capability of Linux 6.x; the index is the bit (include/uapi/linux/capability.h). */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What a container gets unless told otherwise: Docker's fourteen. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SYS_CHROOT',
  'CAP_MKNOD',
  'CAP_AUDIT_WRITE',
  'CAP_SETFCAP',
];

/** `--hardened`: without making device nodes, forging packets, or writing to the host's audit log. */
export const HARDENED_CAPABILITIES: readonly Capability[] = DEFAULT_CAPABILITIES.filter(
  (name) => !['CAP_MKNOD', 'CAP_NET_RAW', 'CAP_AUDIT_WRITE'].includes(name),
);

export interface CapabilityChanges {
  /** Names as people type them: `NET_ADMIN`, `cap_net_admin`, `all`. */
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

/**
 * The set that --cap-add and --cap-drop make of `basics`, by Docker's rule: adding ALL means every capability but
 * the dropped ones; dropping ALL means the added ones alone; otherwise the dropped ones go first and the added ones
 * come after, so a capability named in both stays. Throws `CAPABILITY_UNKNOWN`.
 */
export function changeCapabilities(
  basics: readonly Capability[],
  changes: CapabilityChanges,
): readonly Capability[] {
  const add = new Set(changes.add.map(parseCapability));
  const drop = new Set(changes.drop.map(parseCapability));
  if (add.has('ALL')) return CAPABILITIES.filter((name) => !drop.has(name));
  if (drop.has('ALL')) return CAPABILITIES.filter((name) => add.has(name));
  return CAPABILITIES.filter((name) => add.has(name) || (basics.includes(name) && !drop.has(name)));
}

/** The full name for what somebody typed: with or without CAP_, in any case; `ALL` stands for itself. */
export function parseCapability(typed: string): Capability | 'ALL' {
  const upper = typed.trim().toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (isCapability(name)) return name;
  throw new TsrunError('CAPABILITY_UNKNOWN', `There is no capability "${escapeForTerminal(typed)}"`, {
    hint: `did you mean ${nearestTo(name)}? capabilities(7) lists them all`,
  });
}

/**
 * The kernel's mask for a list of CAP_ names. A name this table does not have adds nothing: the runtime specification
 * wants a warning for it, not a failure; `unknownCapabilities` has the names to warn of.
 */
export function capabilityMask(names: readonly string[]): bigint {
  return names
    .filter(isCapability)
    .reduce((mask, name) => mask | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
}

export function unknownCapabilities(names: readonly string[]): readonly string[] {
  return names.filter((name) => !isCapability(name));
}

/** The names in a mask: of a privileged container's, for example, which gets the host's own bounding set. */
export function capabilityNames(mask: bigint): readonly Capability[] {
  return CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}

function isCapability(name: string): name is Capability {
  return (CAPABILITIES as readonly string[]).includes(name);
}

function nearestTo(name: string): Capability {
  return CAPABILITIES.reduce((best, candidate) =>
    editDistance(name, candidate) < editDistance(name, best) ? candidate : best,
  );
}

/** Levenshtein distance: how many letters to add, drop or change to come from one name to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const change = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
