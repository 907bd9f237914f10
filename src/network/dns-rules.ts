/**
 * The DNS server listens at another port than 53, and rules in the container's own network namespace put 53 in its place: a
 * program of the container can then have port 53 of all addresses for itself. The rules change single packets on their way out;
 * with NAT every connection of the container would be tracked.
 */
import type { NetlinkRequest } from '../kernel/netlink.ts';
import { isAddress, isPort, setPort } from '../kernel/nft-statements.ts';
import { newChain, newRule, newTable, transaction } from '../kernel/nftables.ts';
import { knownAddress, toAddress } from './ip-address.ts';

const TABLE = 'tsrun-dns';
const CHAIN = 'output';
/** Before connection tracking, should the container use it: that sees port 53 in both directions. */
const BEFORE_CONNTRACK = -300;

/** Shows what listens at `port` of `server` (an IPv4 address) as port `shown`: packets are changed both ways, before anything tracks them. */
export function dnsRules(server: string, shown: number, port: number): NetlinkRequest {
  const address = toAddress(knownAddress(server));
  return transaction([
    newTable(TABLE, 'names of containers'),
    newChain(TABLE, CHAIN, { type: 'filter', hook: 'output', priority: BEFORE_CONNTRACK }),
    ...(['udp', 'tcp'] as const).flatMap((protocol) => [
      newRule(TABLE, CHAIN, 'questions', [
        isAddress('ip daddr', address),
        isPort(protocol, 'dport', shown),
        setPort(protocol, 'dport', port),
      ]),
      newRule(TABLE, CHAIN, 'answers', [
        isAddress('ip saddr', address),
        isPort(protocol, 'sport', port),
        setPort(protocol, 'sport', shown),
      ]),
    ]),
  ]);
}
