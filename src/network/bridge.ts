/** The bridge of a network, and its addresses, as netlink messages. Each is EEXIST when it is there. */
import type { NetlinkMessage } from '../kernel/netlink.ts';
import { type MacAddress, newAddress, newBridge } from '../kernel/rtnetlink.ts';
import { bridgeIndex, macOf, parseMac } from './endpoint.ts';
import { knownAddress, toAddress } from './ip-address.ts';
import type { Network } from './network.ts';

type Bridged = Pick<Network, 'id' | 'bridge' | 'mtu'>;

/** `gateway`: the first of its addresses, from which it has its hardware address. */
export function bridgeMessage({ id, bridge, mtu }: Bridged, gateway: string): NetlinkMessage {
  return newBridge({
    name: bridge,
    index: bridgeIndex({ id }),
    mtu,
    mac: toMac(macOf(knownAddress(gateway))),
  });
}

/** Kernel parameters below /proc/sys/net of a bridge on a host with IPv6, also of one whose network has IPv4 only: it has a link-local address. */
export function bridgeSysctls(bridge: string): readonly {
  readonly name: string;
  readonly value: string;
  readonly why: string;
}[] {
  return [
    {
      name: `ipv6/conf/${bridge}/accept_ra`,
      value: '0',
      why: 'A container must not be able to become the router of the host by an advertisement (CVE-2020-13401).',
    },
    {
      name: `ipv6/conf/${bridge}/accept_dad`,
      value: '0',
      why: "Without a look for duplicates of its link-local address, the bridge asks for neighbours at once: packets from outside need no second's wait.",
    },
  ];
}

/** An address of the bridge, with its network. */
export function bridgeAddressMessage(
  { id, bridge }: Bridged,
  gateway: string,
  prefix: number,
): NetlinkMessage {
  return newAddress({ name: bridge, index: bridgeIndex({ id }) }, toAddress(knownAddress(gateway)), prefix);
}

/** Of text that was checked before; any other is a bug. */
export function toMac(text: string): MacAddress {
  const bytes = parseMac(text);
  if (bytes === undefined) throw new Error(`${text} is no hardware address`);
  return { bytes, text };
}
