/** A container's place on a network as netlink messages: for its plan, and for one that joins a network while it runs. */
import type { NetlinkMessage } from '../kernel/netlink.ts';
import type { FdName } from '../kernel/ops.ts';
import { newAddress, newForwarding, newRoute, newVeth, stopLearning } from '../kernel/rtnetlink.ts';
import { toMac } from './bridge.ts';
import { bridgeIndex, type Endpoint, type EndpointAddress, insideIndex } from './endpoint.ts';
import { knownAddress, toAddress } from './ip-address.ts';

/** One end at the bridge and up, the other in the namespace `netns`. */
export function cableMessage({ network, inside, outside, mac }: Endpoint, netns: FdName): NetlinkMessage {
  const { bridge, mtu } = network;
  return newVeth(
    { ...outside, mtu, master: bridgeIndex(network), masterName: bridge },
    { ...insideLink({ inside }), mtu, mac: toMac(mac), netns },
  );
}

/**
 * Tells the bridge who is behind the cable. An address is given again as soon as a container has ended, and its MAC address with it,
 * while the kernel may still be taking the old namespace down, and that one speak: were the bridge to learn from it, frames for the new
 * container would go there.
 */
export function forwardingMessages({ outside, mac }: Endpoint): readonly NetlinkMessage[] {
  return [stopLearning(outside.name), newForwarding(toMac(mac), outside)];
}

/** The end inside. Its number is the one in its name: eth0, eth1 … */
export function insideLink({ inside }: Pick<Endpoint, 'inside'>): {
  readonly name: string;
  readonly index: number;
} {
  return { name: inside, index: insideIndex(Number(inside.slice('eth'.length))) };
}

/** Gives the end inside one of its addresses. */
export function addressMessage(
  endpoint: Pick<Endpoint, 'inside'>,
  { address, prefix }: EndpointAddress,
): NetlinkMessage {
  return newAddress(insideLink(endpoint), toAddress(knownAddress(address)), prefix);
}

export interface WayOut {
  readonly gateway: string;
  readonly message: NetlinkMessage;
}

/** One for each family: through the first network that leads out. */
export function waysOut(endpoints: readonly Endpoint[]): readonly WayOut[] {
  const ways = endpoints
    .filter(({ network }) => !network.internal)
    .flatMap((endpoint) =>
      endpoint.addresses.map(({ gateway }) => ({ endpoint, gateway: knownAddress(gateway) })),
    );
  return ways
    .filter((way, i) => ways.findIndex(({ gateway }) => gateway.family === way.gateway.family) === i)
    .map(({ endpoint, gateway }) => {
      const to = toAddress(gateway);
      const message = newRoute({ family: to.family, gateway: to, link: insideLink(endpoint) });
      return { gateway: to.text, message };
    });
}
