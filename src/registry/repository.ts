/** One repository, at all the endpoints that serve it: mirrors first, the registry itself last. */
import type { Reference } from '../image/reference.ts';
import { TsrunError } from '../lib/errors.ts';
import { type ClientOptions, RegistryClient } from './client.ts';
import { type Credentials, findCredentials } from './credentials.ts';
import type { Capability, Endpoint } from './endpoint.ts';
import { endpointsOf } from './hosts.ts';
import { RETRY_LIMITS, type RetryLimits } from './retry.ts';

export interface RegistryOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryLimits;
}

const IDLE_MS = 30_000;

export class Repository implements Disposable {
  readonly reference: Reference;
  readonly #clients: readonly RegistryClient[];
  readonly retry: RetryLimits;
  readonly signal: AbortSignal | undefined;

  constructor(reference: Reference, endpoints: readonly Endpoint[], options: ClientOptions) {
    this.reference = reference;
    this.retry = options.retry;
    this.signal = options.signal;
    this.#clients = endpoints.map((endpoint) => new RegistryClient(endpoint, options));
  }

  /** `repository:library/busybox:pull` */
  scope(...actions: readonly ('pull' | 'push')[]): string {
    return `repository:${this.reference.path}:${actions.join(',')}`;
  }

  /** The registry itself. */
  get main(): RegistryClient {
    return this.#clients.at(-1) as RegistryClient;
  }

  /** Asks one endpoint after the other until one has what is asked for. The last one's error is the one that is thrown. */
  async first<T>(capability: Capability, ask: (client: RegistryClient) => Promise<T>): Promise<T> {
    const clients = this.#clients.filter(({ endpoint }) => endpoint.capabilities.includes(capability));
    const last = clients.at(-1);
    for (const client of clients.slice(0, -1)) {
      try {
        return await ask(client);
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
      }
    }
    if (last) return ask(last);
    throw new TsrunError(
      'REGISTRY_CONFIGURATION',
      `Cannot ${capability} at ${this.reference.registry}: no host of its configuration may be used for that`,
      { hint: 'look at the capabilities in its hosts.toml' },
    );
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }
}

/** `credentials`: who asks; as the user has logged in when not given. */
export async function openRepository(
  reference: Reference,
  options: RegistryOptions,
  credentials?: () => Promise<Credentials>,
): Promise<Repository> {
  const { env, signal, retry = RETRY_LIMITS } = options;
  return new Repository(reference, await endpointsOf(reference.registry, env), {
    env,
    signal,
    retry,
    idleMs: idleMs(env),
    registry: reference.registry,
    credentials: credentials ?? ((registry) => findCredentials(registry, env)),
  });
}

/** TSRUN_REGISTRY_TIMEOUT: for how many seconds a registry may send nothing; 30 when not given. */
function idleMs(env: NodeJS.ProcessEnv): number {
  const text = env.TSRUN_REGISTRY_TIMEOUT;
  if (!text) return IDLE_MS;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 3600) return seconds * 1000;
  throw new TsrunError(
    'BAD_TIMEOUT',
    `Cannot use TSRUN_REGISTRY_TIMEOUT=${text}: it is no number of seconds`,
    {
      hint: 'give a number up to 3600',
    },
  );
}
