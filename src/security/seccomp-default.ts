/** The seccomp section of a container that asks for nothing else. */
import { type HostArch, type KernelVersion, resolveDockerSeccomp } from '../spec/docker-seccomp.ts';
import type { LinuxSeccomp } from '../spec/seccomp.ts';
import { DEFAULT_PROFILE } from './seccomp-profile.gen.ts';

/**
 * Docker's default profile, a little stricter, for a container with this bounding set (CAP_ names) on this host: what
 * a capability allows, the filter allows as well. `kernel` comes from `kernelVersionOf(os.release())`.
 */
export function defaultSeccomp(
  capabilities: readonly string[],
  arch: HostArch,
  kernel: KernelVersion,
): LinuxSeccomp {
  return resolveDockerSeccomp(DEFAULT_PROFILE, { capabilities, arch, kernel });
}
