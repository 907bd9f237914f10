/** The DNS server of a container on networks with names. docs/decisions/dns.md. */
import * as K from '../kernel/constants.ts';
import { NETLINK_NETFILTER } from '../kernel/netlink.ts';
import type { Op, Plan } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { dnsRules } from './dns-rules.ts';
import { parseAddress } from './ip-address.ts';
import { DNS_ADDRESS, nameservers } from './resolv-conf.ts';

const DNS_PORT = 53;
/** Behind rules that show it as 53. Above the ports that the kernel gives to whoever asks for none (32768 to 60999). */
const HIDDEN_PORT = 61_053;
/** As many as resolv.conf(5) can name. */
const MAX_UPSTREAMS = 3;

export interface DnsInput {
  /** The directory of the leases of all networks. */
  readonly leases: HostPath;
  readonly containerId: string;
  /** Resolvers of the host, for names that are not of containers. */
  readonly upstreams: readonly string[];
  /** Whether the kernel has nftables. Without them port 53 of 127.0.0.11 is taken inside. */
  readonly nftables: boolean;
}

/**
 * The resolvers that other names are asked of: those that were asked for, or the host's, its loopback among them. None for a
 * container that has no way out: a name would be one (CVE-2024-29018).
 */
export function chooseUpstreams(
  asked: readonly string[],
  host: string,
  internal: boolean,
): readonly string[] {
  if (internal) return [];
  const servers = asked.length > 0 ? asked : nameservers(host);
  return servers.filter(isAddress).slice(0, MAX_UPSTREAMS);
}

/** `fe80::1%eth0` is one too, on that link of the host. */
function isAddress(text: string): boolean {
  return parseAddress(text.replace(/%[^%]+$/, '')) !== undefined;
}

/**
 * A plan that gives a container that runs a server of its own: it ends with `process`, the first one of the container, for the
 * helper of the container does not know it.
 */
export function planLateDns(
  dns: DnsInput,
  process: { readonly pid: number; readonly started: bigint },
): Plan {
  const ops: readonly Op[] = [
    {
      op: 'open_pidfd',
      into: 'container-process',
      pid: process.pid,
      started: process.started,
      why: 'The server ends when this process does.',
    },
    {
      op: 'open',
      into: 'container-network',
      path: `/proc/${process.pid}/ns/net`,
      flags: K.O_RDONLY,
      mode: 0,
      resolve: 0,
      why: 'The network namespace in which it answers.',
    },
    ...planDns(dns).map((op): Op => (op.op === 'dns' ? { ...op, until: 'container-process' } : op)),
  ];
  return {
    groups: [{ who: 'host', title: 'A DNS server for a container that runs', ops }],
    monitor: { interactive: false },
    reporter: [],
  };
}

/** `container-network` is open. */
export function planDns({ leases, containerId, upstreams, nftables }: DnsInput): readonly Op[] {
  return [
    {
      op: 'open',
      into: 'leases',
      path: leases,
      flags: K.O_RDONLY + K.O_DIRECTORY,
      mode: 0,
      resolve: 0,
      why: 'The names of containers, each in the file that holds an address.',
    },
    {
      op: 'dns',
      netns: 'container-network',
      port: nftables ? HIDDEN_PORT : DNS_PORT,
      networks: 'leases',
      container: containerId,
      upstreams,
      why: `A process without any rights answers at ${DNS_ADDRESS} inside: names of containers from their leases, and the others by asking the resolvers of the host.`,
    },
    ...(nftables ? planHiddenPort() : []),
  ];
}

function planHiddenPort(): readonly Op[] {
  return [
    {
      op: 'netlink_socket',
      into: 'nftables-inside',
      protocol: NETLINK_NETFILTER,
      netns: 'container-network',
      why: 'Rules for packets inside are made through this socket.',
    },
    {
      op: 'netlink',
      socket: 'nftables-inside',
      what: 'the port of the DNS server',
      request: dnsRules(DNS_ADDRESS, DNS_PORT, HIDDEN_PORT),
      why: `Resolvers ask port ${DNS_PORT}, where a program of the container may want to serve the whole of its network: the server listens elsewhere, and packets to and from it are changed.`,
    },
  ];
}
