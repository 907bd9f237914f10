/** The bridge of a network on the host, without a container: made when the network is, and removed with it. */
import { NETLINK_NETFILTER, NETLINK_ROUTE, type NetlinkRequest } from '../kernel/netlink.ts';
import { sendNetlink } from '../kernel/netlink-door.ts';
import { transaction } from '../kernel/nftables.ts';
import { deleteLink } from '../kernel/rtnetlink.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { bridgeAddressMessage, bridgeMessage } from '../network/bridge.ts';
import type { Network } from '../network/network.ts';
import { networkElements, removeElements } from '../network/rules.ts';

/** Whatever of it was made goes again when a part is refused. */
export function makeBridge(network: Network): void {
  const [first] = network.subnets;
  if (first === undefined) throw new Error(`network ${network.name} has no subnet`);
  const tried = `make the bridge ${network.bridge} of network ${network.name}`;
  sendNetlink({ protocol: NETLINK_ROUTE }, [bridgeMessage(network, first.gateway)], tried);
  try {
    const addresses = network.subnets.map(({ subnet, gateway }) =>
      bridgeAddressMessage(network, gateway, Number(subnet.split('/')[1])),
    );
    sendNetlink({ protocol: NETLINK_ROUTE }, addresses, tried);
  } catch (error) {
    removeBridge(network);
    throw error;
  }
}

/** Both may be gone: neither outlives a restart of the machine. */
export function removeBridge(network: Network): void {
  const { name, bridge } = network;
  unlessGone(NETLINK_ROUTE, [deleteLink(bridge)], `remove the bridge ${bridge} of network ${name}`);
  unlessGone(
    NETLINK_NETFILTER,
    transaction(removeElements(networkElements(network))),
    `remove the rules of network ${name}`,
  );
}

/** No such link, no such table, or a kernel without tables. */
const GONE: ReadonlySet<string> = new Set(['ENODEV', 'ENOENT', 'EPROTONOSUPPORT', 'EOPNOTSUPP', 'EINVAL']);

function unlessGone(protocol: number, request: NetlinkRequest, tried: string): void {
  try {
    sendNetlink({ protocol }, request, tried);
  } catch (error) {
    const errno = error instanceof TsrunError ? errnoOf(error.cause) : undefined;
    if (!GONE.has(errno ?? '')) throw error;
  }
}
