/** The bridge of a network on the host, without a container: made when the network is, and removed with it. */
import { writeFileSync } from 'node:fs';
import {
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  type NetlinkMessage,
  type NetlinkRequest,
} from '../kernel/netlink.ts';
import { refusalOf, sendNetlink } from '../kernel/netlink-door.ts';
import { transaction } from '../kernel/nftables.ts';
import { deleteLink } from '../kernel/rtnetlink.ts';
import { bridgeAddressMessage, bridgeMessage, bridgeSysctls } from '../network/bridge.ts';
import { readIpv6Host } from '../network/ipv6-host.ts';
import type { Network } from '../network/network.ts';
import { networkElements, removeElements } from '../network/rules.ts';

/** Whatever of it was made goes again when a part is refused, as when there is a link of that name. */
export function makeBridge(network: Network): void {
  const [link, ...addresses] = bridgeMessages(network);
  sendNetlink({ protocol: NETLINK_ROUTE }, [link], tried(network));
  try {
    sendNetlink({ protocol: NETLINK_ROUTE }, addresses, tried(network));
    setSysctls(network);
  } catch (error) {
    removeBridge(network);
    throw error;
  }
}

/** Makes what of the bridge is not there: all of it, when the machine has been restarted. */
export function ensureBridge(network: Network): void {
  for (const message of bridgeMessages(network)) unless(['EEXIST'], NETLINK_ROUTE, [message], tried(network));
  setSysctls(network);
}

function setSysctls({ bridge }: Network): void {
  if (!readIpv6Host().available) return;
  for (const { name, value } of bridgeSysctls(bridge)) writeFileSync(`/proc/sys/net/${name}`, value);
}

const tried = ({ name, bridge }: Network) => `make the bridge ${bridge} of network ${name}`;

function bridgeMessages(network: Network): readonly [NetlinkMessage, ...NetlinkMessage[]] {
  const [first] = network.subnets;
  if (first === undefined) throw new Error(`network ${network.name} has no subnet`);
  return [
    bridgeMessage(network, first.gateway),
    ...network.subnets.map(({ subnet, gateway }) =>
      bridgeAddressMessage(network, gateway, Number(subnet.split('/')[1])),
    ),
  ];
}

/** Both may be gone: neither outlives a restart of the machine. */
export function removeBridge(network: Network): void {
  const { name, bridge } = network;
  unless(GONE, NETLINK_ROUTE, [deleteLink(bridge)], `remove the bridge ${bridge} of network ${name}`);
  unless(
    GONE,
    NETLINK_NETFILTER,
    transaction(removeElements(networkElements(network))),
    `remove the rules of network ${name}`,
  );
}

/** No such link, no such table, or a kernel without tables. */
const GONE: readonly string[] = ['ENODEV', 'ENOENT', 'EPROTONOSUPPORT', 'EOPNOTSUPP', 'EINVAL'];

function unless(expected: readonly string[], protocol: number, request: NetlinkRequest, tried: string): void {
  try {
    sendNetlink({ protocol }, request, tried);
  } catch (error) {
    if (!expected.includes(refusalOf(error) ?? '')) throw error;
  }
}
