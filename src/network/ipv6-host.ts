/** What the host's IPv6 is like. ip-sysctl in the kernel's documentation. */
import { namesIn, readFileIfThere } from '../lib/files.ts';

export interface Ipv6Host {
  /** False on a kernel without IPv6 (ipv6.disable=1), and where it is switched off. */
  readonly available: boolean;
  readonly forwarding: boolean;
  /** Interfaces that take routes from router advertisements, and would no longer once the host forwards. */
  readonly advertised: readonly string[];
}

const CONF = '/proc/sys/net/ipv6/conf';
const NOT_OUTWARD: ReadonlySet<string> = new Set(['all', 'default', 'lo']);

/** Changes nothing. */
export function readIpv6Host(): Ipv6Host {
  const value = (path: string) => readFileIfThere(`${CONF}/${path}`)?.trim();
  const available = value('all/disable_ipv6') === '0' && value('default/disable_ipv6') === '0';
  return {
    available,
    // What only a container on a network needs is read when it is asked for.
    get forwarding() {
      return value('all/forwarding') === '1';
    },
    // A file for each interface: read only for a container on a network with IPv6.
    get advertised() {
      if (!available || this.forwarding) return [];
      return namesIn(CONF).filter((name) => !NOT_OUTWARD.has(name) && value(`${name}/accept_ra`) === '1');
    },
  };
}
