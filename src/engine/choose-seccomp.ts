/** The seccomp section a container gets: the default profile, none, or one that the user gave. */
import { release } from 'node:os';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { defaultSeccomp } from '../security/seccomp-default.ts';
import {
  type HostArch,
  kernelVersionOf,
  parseDockerSeccomp,
  resolveDockerSeccomp,
} from '../spec/docker-seccomp.ts';
import type { LinuxSeccomp } from '../spec/seccomp.ts';
import type { ContainerOptions } from './container-options.ts';

/** `capabilities` is the container's bounding set: what a capability allows, the filter allows as well. */
export function chooseSeccomp(
  options: ContainerOptions,
  capabilities: readonly string[],
  arch: HostArch,
): LinuxSeccomp | undefined {
  const { seccomp, privileged } = options;
  const kernel = kernelVersionOf(release());
  if (seccomp === 'unconfined' || (seccomp === 'default' && privileged)) return undefined;
  if (seccomp === 'default') return defaultSeccomp(capabilities, arch, kernel);
  return resolveDockerSeccomp(parseDockerSeccomp(parseProfile(seccomp.file, seccomp.text)), {
    capabilities,
    arch,
    kernel,
  });
}

function parseProfile(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TsrunError(
      'BAD_SECCOMP_PROFILE',
      `Cannot read the seccomp profile ${file}: ${errnoOf(cause) ?? cause}`,
      { cause },
    );
  }
}
