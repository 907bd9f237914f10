/**
 * Docker's form of a seccomp profile, as `--security-opt seccomp=FILE` takes it: an OCI section whose rules may say
 * on which architecture, with which capabilities and from which kernel on they hold (moby, profiles/seccomp).
 * `resolveDockerSeccomp` answers these conditions for one container on one host; what is left is an OCI section.
 */
import { TsrunError } from '../lib/errors.ts';
import {
  type LinuxSeccomp,
  parseLinuxSeccomp,
  readArchitecture,
  readArchitectures,
  readSyscall,
  requireListener,
  type SeccompArchitecture,
  type SeccompSyscall,
} from './seccomp.ts';
import { readList, readObject, readOptional, readString, withoutAbsent, wrongShape } from './shape.ts';

/** The first two numbers of a kernel release: 6.1 of 6.1.0-13-amd64. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
}

/** When a rule holds (`includes`: every one of them) or does not (`excludes`: any of them). */
export interface SeccompConditions {
  readonly caps?: readonly string[];
  /** Names of GOARCH's kind: amd64, arm64, s390x. */
  readonly arches?: readonly string[];
  readonly minKernel?: KernelVersion;
}

export interface DockerSeccompRule extends SeccompSyscall {
  readonly includes?: SeccompConditions;
  readonly excludes?: SeccompConditions;
}

export interface DockerSeccompProfile extends LinuxSeccomp {
  readonly archMap?: readonly {
    readonly architecture: SeccompArchitecture;
    readonly subArchitectures: readonly SeccompArchitecture[];
  }[];
  readonly syscalls: readonly DockerSeccompRule[];
}

export type HostArch = 'x86_64' | 'aarch64';

/** What the conditions of a profile are answered from. */
export interface SeccompHost {
  readonly arch: HostArch;
  readonly kernel: KernelVersion;
  /** The container's bounding set, as CAP_ names. */
  readonly capabilities: readonly string[];
}

const ARCH_NAMES = {
  x86_64: { docker: 'amd64', oci: 'SCMP_ARCH_X86_64' },
  aarch64: { docker: 'arm64', oci: 'SCMP_ARCH_AARCH64' },
} as const satisfies Record<HostArch, { docker: string; oci: SeccompArchitecture }>;

/** Reads a profile that nobody has checked, of Docker's form or of OCI's. */
export function parseDockerSeccomp(value: unknown, path = 'profile'): DockerSeccompProfile {
  const profile = readObject(value, path);
  const { syscalls: _, ...section } = profile;
  const parsed = withoutAbsent({
    ...parseLinuxSeccomp(section, path),
    archMap: readOptional(profile.archMap, `${path}.archMap`, readArchMap),
    syscalls: readOptional(profile.syscalls, `${path}.syscalls`, readRules) ?? [],
  });
  if (parsed.archMap?.length && parsed.architectures?.length)
    throw new TsrunError('SPEC_SHAPE', `${path} has both architectures and archMap: expected one of them`);
  requireListener(parsed, path);
  return parsed;
}

/**
 * The OCI section that `profile` stands for on this host. An archMap without this host's architecture leaves the
 * list of architectures out, so that the host's own alone is filtered, as in Docker.
 */
export function resolveDockerSeccomp(profile: DockerSeccompProfile, host: SeccompHost): LinuxSeccomp {
  const { archMap, syscalls, ...section } = profile;
  const own = archMap?.find((entry) => entry.architecture === ARCH_NAMES[host.arch].oci);
  const capabilities = new Set(host.capabilities);
  return withoutAbsent({
    ...section,
    architectures: own ? [own.architecture, ...own.subArchitectures] : section.architectures,
    syscalls: syscalls.filter((rule) => holds(rule, host, capabilities)).map(withoutConditions),
  });
}

function holds(rule: DockerSeccompRule, host: SeccompHost, capabilities: ReadonlySet<string>): boolean {
  const { includes = {}, excludes = {} } = rule;
  const arch = ARCH_NAMES[host.arch].docker;
  if (excludes.arches?.includes(arch)) return false;
  if (excludes.caps?.some((cap) => capabilities.has(cap))) return false;
  if (excludes.minKernel && isAtLeast(host.kernel, excludes.minKernel)) return false;
  if (includes.arches?.length && !includes.arches.includes(arch)) return false;
  if (includes.caps?.some((cap) => !capabilities.has(cap))) return false;
  return !includes.minKernel || isAtLeast(host.kernel, includes.minKernel);
}

function isAtLeast(kernel: KernelVersion, wanted: KernelVersion): boolean {
  return kernel.major > wanted.major || (kernel.major === wanted.major && kernel.minor >= wanted.minor);
}

function withoutConditions({ includes: _, excludes: __, ...rule }: DockerSeccompRule): SeccompSyscall {
  return rule;
}

function readArchMap(value: unknown, path: string): NonNullable<DockerSeccompProfile['archMap']> {
  return readList(value, path, (item, at) => {
    const entry = readObject(item, at);
    return {
      architecture: readArchitecture(entry.architecture, `${at}.architecture`),
      subArchitectures:
        readOptional(entry.subArchitectures, `${at}.subArchitectures`, readArchitectures) ?? [],
    };
  });
}

function readRules(value: unknown, path: string): readonly DockerSeccompRule[] {
  return readList(value, path, (item, at) => {
    const rule = readObject(item, at);
    return withoutAbsent({
      ...readSyscall(withNames(rule, at), at),
      includes: readOptional(rule.includes, `${at}.includes`, readConditions),
      excludes: readOptional(rule.excludes, `${at}.excludes`, readConditions),
    });
  });
}

/** Profiles written before 2016 have one `name` where later ones have `names`. */
function withNames(rule: Readonly<Record<string, unknown>>, path: string): Readonly<Record<string, unknown>> {
  if (!rule.name) return rule;
  if (Array.isArray(rule.names) && rule.names.length > 0)
    throw new TsrunError('SPEC_SHAPE', `${path} has both name and names: expected one of them`);
  return { ...rule, names: [rule.name] };
}

function readConditions(value: unknown, path: string): SeccompConditions {
  const conditions = readObject(value, path);
  const readStrings = (list: unknown, at: string) => readList(list, at, readString);
  return withoutAbsent({
    caps: readOptional(conditions.caps, `${path}.caps`, readStrings),
    arches: readOptional(conditions.arches, `${path}.arches`, readStrings),
    minKernel: readOptional(conditions.minKernel || undefined, `${path}.minKernel`, readKernelVersion),
  });
}

function readKernelVersion(value: unknown, path: string): KernelVersion {
  const match = /^(\d{1,3})\.(\d{1,3})$/.exec(readString(value, path));
  if (!match) throw wrongShape(value, path, 'a kernel version such as 4.8');
  return { major: Number(match[1]), minor: Number(match[2]) };
}

/** The version in a kernel release string, as uname(2) gives it. */
export function kernelVersionOf(release: string): KernelVersion {
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (!match)
    throw new TsrunError('KERNEL_RELEASE', `Cannot read the kernel release ${JSON.stringify(release)}`);
  return { major: Number(match[1]), minor: Number(match[2]) };
}
