/** The network of a container, from both sides. network_namespaces(7), veth(4), rtnetlink(7). */
import * as K from '../kernel/constants.ts';
import { NETLINK_ROUTE, type NetlinkMessage } from '../kernel/netlink.ts';
import type { FdName, Op, Tolerable } from '../kernel/ops.ts';
import {
  AF_INET,
  AF_INET6,
  deleteAddress,
  newAddress,
  newRoute,
  newVeth,
  setLinkUp,
} from '../kernel/rtnetlink.ts';
import type { HostPath } from '../lib/brands.ts';
import type { LinuxSpec } from '../spec/runtime.ts';
import { bridgeAddressMessage, bridgeMessage, parsed, toMac } from './bridge.ts';
import { bridgeIndex, type Endpoint, type EndpointAddress, insideIndex } from './endpoint.ts';
import { toAddress } from './ip-address.ts';
import type { Ipv6Host } from './ipv6-host.ts';
import { type DnsInput, planDns } from './plan-dns.ts';

export interface NetworkInput {
  /** The first one that leads out has the default route. */
  readonly endpoints: readonly Endpoint[];
  /** The files that hold the addresses, and those that say what has to be undone. */
  readonly records: readonly HostPath[];
  /** Left out: nobody is found by name. */
  readonly dns?: DnsInput;
}

export interface NetworkPlan {
  /** By the host, before the container's process is made. */
  readonly before: readonly Op[];
  /** By the host, when the container's network namespace is there and its process still waits. */
  readonly afterClone: readonly Op[];
  /** What does not go with the namespace by itself. */
  readonly cleanup: readonly Op[];
}

export function planNetwork({ endpoints, records, dns }: NetworkInput, ipv6: Ipv6Host): NetworkPlan {
  if (endpoints.length === 0) return { before: [], afterClone: [], cleanup: [] };
  return {
    before: [
      socket('rtnetlink', undefined, 'Links and addresses of the host are changed through this socket.'),
      ...endpoints.flatMap(planBridge),
      ...planForwarding(endpoints, ipv6),
    ],
    afterClone: [
      {
        op: 'open',
        into: 'container-network',
        at: 'child-proc',
        path: 'ns/net',
        flags: K.O_RDONLY,
        mode: 0,
        resolve: 0,
        why: 'The network namespace that the clone has made.',
      },
      ...endpoints.map(planCable),
      socket(
        'rtnetlink-inside',
        'container-network',
        'A netlink socket belongs to the namespace it was made in: this one changes the network inside.',
      ),
      ...endpoints.flatMap(planInside),
      ...planDefaultRoutes(endpoints),
      ...(dns === undefined ? [] : planDns(dns)),
    ],
    // Cleanup runs backwards: the address is no longer in use when its file goes.
    cleanup: [...records.map(planRecordRemoval), ...endpoints.flatMap(planAddressRemoval)],
  };
}

export function planLoopback(linux: LinuxSpec): readonly Op[] {
  if (!linux.namespaces.some((n) => n.type === 'network' && n.path === undefined)) return [];
  return [
    {
      op: 'link_up',
      name: 'lo',
      why: 'A new network namespace has one interface, and it is down: 127.0.0.1 works only when it is up.',
    },
  ];
}

/** It is there, unless this is the first container of the default network, or the first one since the machine started. */
function planBridge({ network, addresses }: Endpoint): readonly Op[] {
  const [first] = addresses;
  if (first === undefined) return [];
  return [
    change(
      'rtnetlink',
      `the bridge ${network.bridge}`,
      bridgeMessage(network, first.gateway),
      `The bridge of network ${network.name} passes frames between its containers and the host. Without an address of its own it would take that of a container, and change it when that one goes.`,
      ['EEXIST'],
    ),
    ...addresses.map(({ gateway, prefix }) =>
      change(
        'rtnetlink',
        `the address ${gateway} of ${network.bridge}`,
        bridgeAddressMessage(network, gateway, prefix),
        'The address of the host on this network: its containers send here what is for somewhere else.',
        ['EEXIST'],
      ),
    ),
  ];
}

function planForwarding(endpoints: readonly Endpoint[], ipv6: Ipv6Host): readonly Op[] {
  const families = new Set(
    endpoints.flatMap((e) => e.addresses).map(({ address }) => parsed(address).family),
  );
  const ops: Op[] = [];
  if (families.has(AF_INET))
    ops.push(
      sysctl(
        'ipv4/ip_forward',
        '1',
        'The host passes packets on between the bridge and its other interfaces.',
      ),
    );
  if (!families.has(AF_INET6)) return ops;
  ops.push(
    ...endpoints.map(({ network }) =>
      sysctl(
        `ipv6/conf/${network.bridge}/accept_ra`,
        '0',
        'A container must not be able to become the router of the host by an advertisement (CVE-2020-13401).',
      ),
    ),
  );
  if (ipv6.forwarding) return ops;
  return [
    ...ops,
    ...ipv6.advertised.map((name) =>
      sysctl(
        `ipv6/conf/${name}/accept_ra`,
        '2',
        `A host that forwards ignores routers unless told so: ${name} keeps the route it has from one.`,
      ),
    ),
    sysctl('ipv6/conf/all/forwarding', '1', 'The same for IPv6.'),
  ];
}

function planCable({ network, inside, outside, mac }: Endpoint, nth: number): Op {
  const { bridge, mtu } = network;
  return change(
    'rtnetlink',
    `the cable between ${bridge} and ${inside}`,
    newVeth(
      { ...outside, mtu, master: bridgeIndex(network), masterName: bridge },
      { name: inside, index: insideIndex(nth), mtu, mac: toMac(mac), netns: 'container-network' },
    ),
    'Two interfaces that are the ends of one cable: one is plugged into the bridge, the other is born inside. When one goes, the other does too, so the end of the namespace takes both.',
  );
}

function planInside({ inside, addresses }: Endpoint, nth: number): readonly Op[] {
  const link = { name: inside, index: insideIndex(nth) };
  return [
    ...addresses.map(({ address, prefix }) =>
      change(
        'rtnetlink-inside',
        `the address ${address} of ${inside}`,
        newAddress(link, toAddress(parsed(address)), prefix),
        'The address of the container on this network. A file holds it, so that no other container has it.',
      ),
    ),
    change(
      'rtnetlink-inside',
      `${inside} up`,
      setLinkUp(inside),
      'The cable carries packets only when both ends are up.',
    ),
  ];
}

/**
 * The kernel takes links down some time after the last process has left their namespace, and 20 ms when told to; others may
 * even share the namespace. An address is taken away at once.
 */
function planAddressRemoval({ inside, addresses }: Endpoint, nth: number): readonly Op[] {
  const link = { name: inside, index: insideIndex(nth) };
  return addresses.map(({ address, prefix }) =>
    change(
      'rtnetlink-inside',
      `the end of ${address}`,
      deleteAddress(link, toAddress(parsed(address)), prefix),
      'The namespace may outlive the container for a moment, and must not answer for an address that the next one has.',
    ),
  );
}

function planRecordRemoval(path: HostPath): Op {
  return {
    op: 'unlink',
    path,
    tolerate: ['ENOENT'],
    why: 'The address can be given to another container.',
  };
}

/** One way out for each family. */
function planDefaultRoutes(endpoints: readonly Endpoint[]): readonly Op[] {
  const ways = endpoints.flatMap(({ network, inside, addresses }, nth) =>
    network.internal
      ? []
      : addresses.map((address) => ({ link: { name: inside, index: insideIndex(nth) }, address })),
  );
  const family = ({ address }: { readonly address: EndpointAddress }) => parsed(address.gateway).family;
  const first = ways.filter((way, i) => ways.findIndex((other) => family(other) === family(way)) === i);
  return first.map(({ link, address: { gateway } }) => {
    const to = toAddress(parsed(gateway));
    return change(
      'rtnetlink-inside',
      `the route through ${gateway}`,
      newRoute({ family: to.family, gateway: to, link }),
      'Whatever is not on this network is sent to the host, which knows the way.',
    );
  });
}

function socket(into: FdName, netns: FdName | undefined, why: string): Op {
  return {
    op: 'netlink_socket',
    into,
    protocol: NETLINK_ROUTE,
    ...(netns === undefined ? {} : { netns }),
    why,
  };
}

function change(
  through: FdName,
  what: string,
  message: NetlinkMessage,
  why: string,
  tolerate?: readonly Tolerable[],
): Op {
  return {
    op: 'netlink',
    socket: through,
    what,
    request: [message],
    ...(tolerate === undefined ? {} : { tolerate }),
    why,
  };
}

/** `net` below /proc/sys is that of the network namespace of who writes. */
function sysctl(name: string, value: string, why: string): Op {
  return { op: 'write', path: `/proc/sys/net/${name}`, data: value, why };
}
