/**
 * A lease: the file <run root>/networks/<network id>/<address>, which says that a container has the address. It is made whole
 * by link(2), never changed, and also what the DNS server of each container on the network (native/exec/dns-names.c) reads:
 *
 *     <container id>            64 hexadecimal digits
 *     <network name>            empty on the default network, where nobody is found by name
 *     web                       names the container is found by, one a line, the first is its own;
 *     db                        each is also found as name.network
 */

export interface Lease {
  readonly containerId: string;
  readonly network: string;
  /** The container's name, its aliases, its short id and its host name; each once. */
  readonly names: readonly string[];
}

/** What the DNS server reads of a lease at most. */
const MAX_LEASE_BYTES = 65_536;

/** The text of the file. */
export function formatLease({ containerId, network, names }: Lease): string {
  const text = `${[containerId, network, ...new Set(names)].join('\n')}\n`;
  if (text.length > MAX_LEASE_BYTES) throw new Error(`a lease of ${text.length} bytes`);
  return text;
}

/** Of a text that formatLease has made. */
export function parseLease(text: string): Lease {
  const [containerId = '', network = '', ...names] = text.split('\n');
  return { containerId, network, names: names.filter((name) => name !== '') };
}
