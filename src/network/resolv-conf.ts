/** /etc/resolv.conf of a container, made from the host's. resolv.conf(5). */
import { AF_INET6 } from '../kernel/constants.ts';
import { type IpAddress, parseAddress } from './ip-address.ts';

/** Where a container on networks with names has its own DNS server. */
export const DNS_ADDRESS = '127.0.0.11';

/** What is asked for takes the place of the host's lines of that kind. */
export interface ResolverOptions {
  readonly dns: readonly string[];
  /** A single dot: no search list. */
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
}

/**
 * The host's lines, without resolvers that only the host can ask: those on its loopback, and with `ipv6` false those with an
 * IPv6 address.
 */
export function resolvConf(
  host: string,
  { dns, dnsSearch, dnsOptions }: ResolverOptions,
  ipv6: boolean,
): string {
  const found = nameservers(host).filter((text) => isReachable(text, ipv6));
  const search =
    dnsSearch.length > 0 ? dnsSearch.filter((domain) => domain !== '.') : words(host, ['search', 'domain']);
  const options = dnsOptions.length > 0 ? dnsOptions : words(host, ['options']);
  return [
    ...(dns.length > 0 ? dns : found).map((address) => `nameserver ${address}\n`),
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}\n`]),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}\n`]),
  ].join('');
}

/** For a container that has a DNS server of its own, which asks the resolvers itself. */
export function ownResolvConf(host: string, options: ResolverOptions): string {
  const asked = options.dnsOptions.length > 0 ? options.dnsOptions : words(host, ['options']);
  // Names of containers have no dot: without this a search list would be gone through first.
  const ndots = asked.some((option) => option.startsWith('ndots:')) ? [] : ['ndots:0'];
  return resolvConf(host, { ...options, dns: [DNS_ADDRESS], dnsOptions: [...asked, ...ndots] }, false);
}

/** Whether a local resolver, such as systemd-resolved's at 127.0.0.53, is all that the host asks: it knows the real ones. */
export function asksOnlyItself(host: string): boolean {
  const servers = nameservers(host);
  return servers.length > 0 && servers.every((text) => isLoopback(parseAddress(text)));
}

function isReachable(text: string, ipv6: boolean): boolean {
  const [plain = ''] = text.split('%');
  const address = parseAddress(plain);
  if (address === undefined || isLoopback(address)) return false;
  // A link-local address is one of the host's own link.
  return address.family !== AF_INET6 || (ipv6 && plain === text);
}

function isLoopback(address: IpAddress | undefined): boolean {
  if (address === undefined) return false;
  return address.family === AF_INET6 ? address.value === 1n : address.value >> 24n === 127n;
}

/** The addresses of the resolvers, as they are written. */
export function nameservers(text: string): readonly string[] {
  return lines(text, ['nameserver']).flatMap(([address]) => address ?? []);
}

/** The words after the last line of these kinds, which is the one that counts. */
function words(text: string, kinds: readonly string[]): readonly string[] {
  return lines(text, kinds).at(-1) ?? [];
}

function lines(text: string, kinds: readonly string[]): readonly (readonly string[])[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([first = '']) => kinds.includes(first))
    .map(([, ...rest]) => rest);
}
