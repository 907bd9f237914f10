/** The system call filter a container gets: the default profile's, none, or one that the user's profile describes. */
import { TsrunError } from '../lib/errors.ts';
import { kernelRelease } from '../runtime/host-facts.ts';
import { DEFAULT_CAPABILITIES } from '../security/capabilities.ts';
import type { SeccompProgram } from '../security/seccomp-compile.ts';
import type { HostArch } from '../spec/docker-seccomp.ts';
import type { ContainerOptions } from './container-options.ts';

/** `capabilities` is the container's bounding set: what a capability allows, the filter allows as well. */
export async function chooseSeccomp(
  { seccomp, privileged }: ContainerOptions,
  capabilities: readonly string[],
  arch: HostArch,
): Promise<SeccompProgram | undefined> {
  if (seccomp === 'unconfined' || (seccomp === 'default' && privileged)) return undefined;
  if (seccomp === 'default' && isDefault(capabilities)) {
    const { DEFAULT_PROGRAM } = await import('../security/seccomp-default-program.gen.ts');
    const { flags, program } = DEFAULT_PROGRAM[arch];
    return { flags, program: Buffer.from(program, 'base64') };
  }
  const [{ compileSeccomp }, { defaultSeccomp }, profiles] = await Promise.all([
    import('../security/seccomp-compile.ts'),
    import('../security/seccomp-default.ts'),
    import('../spec/docker-seccomp.ts'),
  ]);
  const kernel = profiles.kernelVersionOf(kernelRelease());
  if (seccomp === 'default') return compileSeccomp(defaultSeccomp(capabilities, arch, kernel), arch);
  try {
    const { parseExactJson } = await import('../spec/exact-json.ts');
    const profile = profiles.parseDockerSeccomp(parseExactJson(seccomp.text));
    return compileSeccomp(profiles.resolveDockerSeccomp(profile, { capabilities, arch, kernel }), arch);
  } catch (cause) {
    throw badProfile(seccomp.file, cause);
  }
}

/** What is wrong in a file of the user's; a mistake of ours stays what it is. */
function badProfile(file: string, cause: unknown): unknown {
  if (!(cause instanceof TsrunError || cause instanceof SyntaxError)) return cause;
  const hint = cause instanceof TsrunError ? cause.hint : undefined;
  return new TsrunError('BAD_SECCOMP_PROFILE', `Cannot use the seccomp profile ${file}: ${cause.message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

function isDefault(capabilities: readonly string[]): boolean {
  return (
    capabilities.length === DEFAULT_CAPABILITIES.length &&
    DEFAULT_CAPABILITIES.every((name) => capabilities.includes(name))
  );
}
