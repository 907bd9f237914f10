/** The network of a container, from both sides. network_namespaces(7), veth(4), rtnetlink(7). */
import * as K from '../kernel/constants.ts';
import { NETLINK_ROUTE, type NetlinkMessage } from '../kernel/netlink.ts';
import type { FdName, Op, Tolerable } from '../kernel/ops.ts';
import { deleteAddress, setLinkUp } from '../kernel/rtnetlink.ts';
import type { HostPath } from '../lib/brands.ts';
import { bridgeAddressMessage, bridgeMessage, bridgeSysctls } from './bridge.ts';
import { addressMessage, cableMessage, forwardingMessages, insideLink, waysOut } from './cable.ts';
import type { Endpoint } from './endpoint.ts';
import { knownAddress, toAddress } from './ip-address.ts';
import type { Ipv6Host } from './ipv6-host.ts';
import { type DnsInput, planDns } from './plan-dns.ts';
import { planRules, type RulesInput, type RulesPlan } from './plan-rules.ts';

export interface NetworkInput {
  /** The first one that leads out has the default route. */
  readonly endpoints: readonly Endpoint[];
  /** Files that say what has to be undone. */
  readonly records: readonly HostPath[];
  /** For each endpoint the files that hold its addresses, and the one that they are links to. */
  readonly leases: readonly { readonly files: readonly HostPath[]; readonly source: HostPath }[];
  /** Left out: nobody is found by name. */
  readonly dns?: DnsInput;
  readonly rules: RulesInput;
}

export interface NetworkPlan {
  readonly links: LinksPlan;
  readonly rules: RulesPlan;
}

export interface LinksPlan {
  /** By the host, before the container's process is made. */
  readonly before: readonly Op[];
  /** By the host, when the container's network namespace is there and its process still waits. */
  readonly afterClone: readonly Op[];
  /** What does not go with the namespace by itself. */
  readonly cleanup: readonly Op[];
}

/** The ops for links and those for rules; planContainer says which come when. */
export function planNetwork(input: NetworkInput, ipv6: Ipv6Host): NetworkPlan {
  return { links: planLinks(input, ipv6), rules: planRules(input.rules) };
}

/** Nothing for a container that has only a loopback. */
function planLinks({ endpoints, records, leases, dns }: NetworkInput, ipv6: Ipv6Host): LinksPlan {
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
      ...endpoints.flatMap(planCable),
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
    cleanup: [
      ...records.map(planRecordRemoval),
      ...leases.flatMap(({ files, source }) => files.map((path) => planLeaseRemoval(path, source))),
      ...endpoints.flatMap(planAddressRemoval),
    ],
  };
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
    endpoints.flatMap((e) => e.addresses).map(({ address }) => knownAddress(address).family),
  );
  const ops: Op[] = [];
  if (families.has(K.AF_INET))
    ops.push(
      sysctl(
        'ipv4/ip_forward',
        '1',
        'The host passes packets on between the bridge and its other interfaces.',
      ),
    );
  if (ipv6.available)
    ops.push(
      ...endpoints
        .flatMap(({ network }) => bridgeSysctls(network.bridge))
        .map(({ name, value, why }) => sysctl(name, value, why)),
    );
  if (!families.has(K.AF_INET6)) return ops;
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

function planCable(endpoint: Endpoint): readonly Op[] {
  const { network, inside, outside } = endpoint;
  return [
    change(
      'rtnetlink',
      `the cable between ${network.bridge} and ${inside}`,
      cableMessage(endpoint, 'container-network'),
      'Two interfaces that are the ends of one cable: one is plugged into the bridge, the other is born inside. When one goes, the other does too, so the end of the namespace takes both.',
    ),
    {
      op: 'netlink',
      socket: 'rtnetlink',
      what: `the way to ${inside} through ${outside.name}`,
      request: forwardingMessages(endpoint),
      why: 'The bridge is told who is behind the cable, and does not learn it from frames: one that had the address before, and is not quite gone, could still send some.',
    },
  ];
}

function planInside(endpoint: Endpoint): readonly Op[] {
  const { inside, addresses } = endpoint;
  return [
    ...addresses.map((address) =>
      change(
        'rtnetlink-inside',
        `the address ${address.address} of ${inside}`,
        addressMessage(endpoint, address),
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
function planAddressRemoval(endpoint: Endpoint): readonly Op[] {
  const link = insideLink(endpoint);
  return endpoint.addresses.map(({ address, prefix }) =>
    change(
      'rtnetlink-inside',
      `the end of ${address}`,
      deleteAddress(link, toAddress(knownAddress(address)), prefix),
      'The namespace may outlive the container for a moment, and must not answer for an address that the next one has.',
    ),
  );
}

function planRecordRemoval(path: HostPath): Op {
  return {
    op: 'unlink',
    path,
    tolerate: ['ENOENT'],
    why: 'Nothing is left to be undone.',
  };
}

function planLeaseRemoval(path: HostPath, source: HostPath): Op {
  return {
    op: 'unlink_same',
    path,
    as: source,
    tolerate: ['ENOENT'],
    why: 'The address can be given to another container; if this one was taken off the network before, another may have it already.',
  };
}

function planDefaultRoutes(endpoints: readonly Endpoint[]): readonly Op[] {
  return waysOut(endpoints).map(({ gateway, message }) =>
    change(
      'rtnetlink-inside',
      `the route through ${gateway}`,
      message,
      'Whatever is not on this network is sent to the host, which knows the way.',
    ),
  );
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
