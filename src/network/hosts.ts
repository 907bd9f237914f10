/** /etc/hosts of a container. hosts(5). */

/** --add-host: a name and an address, or the host's own address on the network. */
export interface HostEntry {
  readonly name: string;
  readonly address: string | typeof HOST_GATEWAY;
}

/** Docker's word for the address at which the host can be reached from the container. */
export const HOST_GATEWAY = 'host-gateway';

const LOOPBACK = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** The loopback's names, then `entries`, then the container's own name with each of its addresses. */
export function hostsFile(
  hostname: string,
  addresses: readonly string[],
  entries: readonly { readonly name: string; readonly address: string }[],
): string {
  const short = hostname.split('.', 1)[0];
  const own = short === hostname ? hostname : `${hostname} ${short}`;
  return [...LOOPBACK, ...entryLines(entries), ...addresses.map((address) => `${address}\t${own}`)]
    .map((line) => `${line}\n`)
    .join('');
}

/** Lines of /etc/hosts, without their ends: hosts(5). */
export function entryLines(
  entries: readonly { readonly name: string; readonly address: string }[],
): readonly string[] {
  return entries.map(({ name, address }) => `${address}\t${name}`);
}
