/** What this host can do, read from the kernel. */
import { readFileSync, statfsSync } from 'node:fs';
import type { CgroupHost } from '../cgroup/plan-cgroup.ts';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import type { HostFacts } from './plan.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;
const CGROUP2_MOUNTS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].map(hostPath);

/** mount_setattr(2) is the youngest call that every plan needs. */
const OLDEST_KERNEL = [5, 12] as const;

export function readHostFacts(): HostFacts {
  checkKernel(kernelRelease());
  return {
    cgroup: readCgroupHost(),
    boundingCapabilities: readBoundingCapabilities(),
    arch: hostArch(process.arch),
  };
}

/** What uname(2) has as `release`. Loading node:os for it would take four times as long. */
export function kernelRelease(): string {
  return readFileSync('/proc/sys/kernel/osrelease', 'latin1').trimEnd();
}

export function checkKernel(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new TsrunError(
    'KERNEL_TOO_OLD',
    `Cannot run containers on Linux ${version}: it lacks mount_setattr(2)`,
    {
      hint: `tsrun needs Linux ${OLDEST_KERNEL.join('.')} or later`,
    },
  );
}

/** Containers are made by root; rootless operation is not there. */
export function checkRoot(tried: string): void {
  if (process.geteuid?.() === 0) return;
  throw new TsrunError(
    'NOT_ROOT',
    `Cannot ${tried} as user ${process.geteuid?.()}: it needs namespaces and mounts that only root may make`,
    {
      hint: 'run it with sudo, or as root',
    },
  );
}

export function readCgroupHost(): CgroupHost {
  const v2Mount = CGROUP2_MOUNTS.find(isCgroup2);
  const controllers =
    v2Mount === undefined ? '' : readFileSync(`${v2Mount}/cgroup.controllers`, 'utf8').trim();
  return { v2Mount, v2Controllers: controllers === '' ? [] : controllers.split(' ') };
}

function isCgroup2(path: HostPath): boolean {
  try {
    return statfsSync(path).type === CGROUP2_SUPER_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function readBoundingCapabilities(): bigint {
  const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (line?.[1] === undefined) throw new Error('/proc/self/status has no line CapBnd');
  return BigInt(`0x${line[1]}`);
}

function hostArch(node: string): 'x86_64' | 'aarch64' {
  if (node === 'x64') return 'x86_64';
  if (node === 'arm64') return 'aarch64';
  throw new TsrunError(
    'UNKNOWN_ARCH',
    `Cannot run containers on ${node}: the system call numbers of this processor are not known`,
    {
      hint: 'tsrun runs on x86_64 and arm64',
    },
  );
}
