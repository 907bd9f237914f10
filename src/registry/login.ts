/** `tsrun login`: is this who the registry knows? */
import { parseReference } from '../image/reference.ts';
import { TsrunError } from '../lib/errors.ts';
import type { Credentials } from './credentials.ts';
import { openRepository, type RegistryOptions } from './repository.ts';

/** The registry's name from what a user types: nothing, a host, or a URL of it. */
export function registryName(text: string | undefined): string {
  const host = (text ?? 'docker.io').replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  if (host === 'index.docker.io' || host === 'registry-1.docker.io') return 'docker.io';
  if (/^[\w.-]+(:\d+)?$|^\[[\da-fA-F:]+\](:\d+)?$/.test(host)) return host;
  throw new TsrunError('BAD_REGISTRY', `Cannot use ${JSON.stringify(text)} as a registry: it is no host`, {
    hint: 'write it as host or host:port',
  });
}

/** Throws REGISTRY_UNAUTHORIZED when the registry, or its token server, does not take `credentials`. */
export async function checkLogin(
  registry: string,
  credentials: Credentials,
  options: RegistryOptions,
): Promise<void> {
  using repository = await openRepository(
    { ...parseReference('login'), registry },
    options,
    async () => credentials,
  );
  await repository.main
    .send({ method: 'GET', path: '', scopes: [], expect: [200] })
    .then((answer) => answer.drop());
}
