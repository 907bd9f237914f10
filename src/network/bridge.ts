/** The bridge of a network, and its addresses, as netlink messages. Each is EEXIST when it is there. */
import type { NetlinkMessage } from '../kernel/netlink.ts';
import { type MacAddress, newAddress, newBridge } from '../kernel/rtnetlink.ts';
import { bridgeIndex, macOf, parseMac } from './endpoint.ts';
import { type IpAddress, parseAddress, toAddress } from './ip-address.ts';
import type { Network } from './network.ts';

type Bridged = Pick<Network, 'id' | 'bridge' | 'mtu'>;

/** `gateway`: the first of its addresses, from which it has its hardware address. */
export function bridgeMessage({ id, bridge, mtu }: Bridged, gateway: string): NetlinkMessage {
  return newBridge({ name: bridge, index: bridgeIndex({ id }), mtu, mac: toMac(macOf(parsed(gateway))) });
}

export function bridgeAddressMessage(
  { id, bridge }: Bridged,
  gateway: string,
  prefix: number,
): NetlinkMessage {
  return newAddress({ name: bridge, index: bridgeIndex({ id }) }, toAddress(parsed(gateway)), prefix);
}

export function parsed(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

export function toMac(text: string): MacAddress {
  const bytes = parseMac(text);
  if (bytes === undefined) throw new Error(`${text} is no hardware address`);
  return { bytes, text };
}
