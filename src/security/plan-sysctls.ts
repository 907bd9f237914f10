/** Kernel parameters of the container's namespaces. sysctl is a tree of files below /proc/sys. */
import type { Op } from '../kernel/ops.ts';
import type { MountSpec } from '../spec/runtime.ts';
import { planOwnProc } from './own-proc.ts';
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
  return [
    ...planOwnProc(mounts),
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
