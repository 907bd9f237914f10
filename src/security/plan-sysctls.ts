/** Kernel parameters of the container's namespaces. sysctl is a tree of files below /proc/sys. */
import { create } from '../kernel/fs-context.ts';
import type { Op } from '../kernel/ops.ts';
import type { MountSpec } from '../spec/runtime.ts';
import { checkSysctl, type OwnNamespaces } from './sysctls.ts';

/**
 * Written through a procfs that the plan mounted itself, by descriptor: a path could lead to a file of the
 * image that only looks like one (CVE-2019-16884, CVE-2025-52881). Throws `SYSCTL_DENIED` for one of the host's.
 */
export function planSysctls(
  sysctls: Readonly<Record<string, string>>,
  mounts: readonly MountSpec[],
  own: OwnNamespaces,
): readonly Op[] {
  const entries = Object.entries(sysctls);
  if (entries.length === 0) return [];
  const mounted = mounts.some((m) => m.destination === '/proc' && m.type === 'proc');
  return [
    ...(mounted ? [] : planDetachedProc()),
    ...entries.map(
      ([key, value]): Op => ({
        op: 'write',
        at: 'proc',
        path: `sys/${checkSysctl(key, own)}`,
        data: value,
        why: `Sets ${key.replaceAll('/', '.')} for the namespaces of this container only.`,
      }),
    ),
  ];
}

function planDetachedProc(): readonly Op[] {
  return [
    { op: 'fsopen', into: 'fs', fstype: 'proc', why: 'A procfs to write through, which no path leads to.' },
    create(),
    { op: 'fsmount', into: 'proc', fs: 'fs', attributes: 0, why: 'It stays detached.' },
  ];
}
