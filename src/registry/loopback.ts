/** Hosts that are this machine: plain HTTP to them crosses no network. */
import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** `hostname` as a URL has it: an IPv6 address in brackets. */
export function isLoopback(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  if (family === 0) return address === 'localhost' || address.endsWith('.localhost');
  return LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
