/** What this host can do, read from the kernel. */
import { existsSync, readFileSync } from 'node:fs';
import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import { type Ipv6Host, readIpv6Host } from '../network/ipv6-host.ts';
import type { SecurityModule } from '../security/plan-labels.ts';
import { readCgroupHost, withCpusetAbove } from './cgroup-facts.ts';
import type { HostFacts } from './plan.ts';

/** mount_setattr(2) is the youngest call that every plan needs. */
const OLDEST_KERNEL = [5, 12] as const;

/** With `cgroupsPath`, as a container there finds the cgroups above it; without, as the caller does. */
export function readHostFacts(cgroupsPath?: string): HostFacts {
  checkKernel(kernelRelease());
  let ipv6: Ipv6Host | undefined;
  return {
    cgroup: cgroupsPath === undefined ? readCgroupHost() : withCpusetAbove(readCgroupHost(), cgroupsPath),
    boundingCapabilities: readBoundingCapabilities(),
    arch: hostArch(process.arch),
    get delegatedCgroupFiles() {
      return readDelegatedFiles();
    },
    get securityModules() {
      return readSecurityModules();
    },
    // Only a container with a network asks: it is a dozen files.
    get ipv6() {
      ipv6 ??= readIpv6Host();
      return ipv6;
    },
  };
}

/** config-linux.md, Cgroup ownership: what to fall back on where the kernel does not say (before 4.15). */
const DELEGATED_FILES = 'cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n';

function readDelegatedFiles(): readonly string[] {
  const text = readFileIfThere('/sys/kernel/cgroup/delegate') ?? DELEGATED_FILES;
  return text.split('\n').filter((name) => /^[\w.]+$/.test(name));
}

/** apparmor(7); selinux(8): its file system is there when it is enabled. */
function readSecurityModules(): readonly SecurityModule[] {
  const apparmor = readFileIfThere('/sys/module/apparmor/parameters/enabled')?.startsWith('Y') ?? false;
  return [
    ...(apparmor ? ['apparmor' as const] : []),
    ...(existsSync('/sys/fs/selinux/enforce') ? ['selinux' as const] : []),
  ];
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
