/** Where a registry's API is served: by its own host, and by mirrors of it that the configuration names. */
import { DEFAULT_REGISTRY } from '../image/reference.ts';
import { isLoopback } from './loopback.ts';

export type Capability = 'resolve' | 'pull' | 'push';
export const ALL_CAPABILITIES: readonly Capability[] = ['resolve', 'pull', 'push'];

export interface Endpoint {
  /** The root of the API, `https://registry.example/v2`. */
  readonly base: URL;
  readonly capabilities: readonly Capability[];
  /** Sent with every request to this host. */
  readonly headers: Readonly<Record<string, string>>;
  /** Another host than the registry that was asked for. */
  readonly isMirror: boolean;
  /** Files of certificate authorities, in PEM, that are trusted beside those of the machine. */
  readonly authorities: readonly string[];
  /** Files of a certificate and its key, shown to the host. */
  readonly client?: { readonly certificate: string; readonly key: string };
  readonly verify: boolean;
  /** Speaks plain HTTP when it turns out that it does not speak TLS. */
  readonly maybePlain: boolean;
}

/** The host that serves Docker's default registry. */
const DEFAULT_HOST = 'registry-1.docker.io';

/** A registry that no configuration says anything about: TLS, or plain HTTP on this machine. */
export function defaultEndpoint(registry: string): Endpoint {
  const base = new URL(`https://${registry === DEFAULT_REGISTRY ? DEFAULT_HOST : registry}/v2`);
  return {
    base,
    capabilities: ALL_CAPABILITIES,
    headers: {},
    isMirror: false,
    authorities: [],
    verify: true,
    maybePlain: isLoopback(base.hostname),
  };
}
