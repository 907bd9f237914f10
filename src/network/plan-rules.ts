/** Rules for the packets of a container, and the ports of the host that lead to it. nft(8), ip-sysctl. */

import { dumpFlows, type FlowTarget } from '../kernel/conntrack.ts';
import * as K from '../kernel/constants.ts';
import { create } from '../kernel/fs-context.ts';
import { NETLINK_NETFILTER, type NetlinkMessage } from '../kernel/netlink.ts';
import { transaction } from '../kernel/nftables.ts';
import type { Op, Tolerable } from '../kernel/ops.ts';
import { setHairpin } from '../kernel/rtnetlink.ts';
import type { Network } from './network.ts';
import { formatHostPort, needsProxy, type PortBinding } from './published-port.ts';
import {
  addElements,
  baseRules,
  flowTargets,
  networkElements,
  portElements,
  type RuleElement,
  removeElements,
} from './rules.ts';
import type { RulesHost } from './rules-host.ts';

export interface RulesInput {
  readonly host: RulesHost;
  /** What containers that run have in the table, where it has to be made again. */
  readonly others: readonly RuleElement[];
  /** The container's name. */
  readonly container: string;
  readonly networks: readonly Pick<Network, 'name' | 'bridge' | 'internal'>[];
  readonly ports: readonly PortBinding[];
  /** The ends of its cables at the bridges. */
  readonly cables: readonly string[];
}

export interface RulesPlan {
  /** By the host, before the container's process is made. */
  readonly before: readonly Op[];
  /** By the host, when the container's network is there and its process still waits. */
  readonly afterClone: readonly Op[];
  readonly cleanup: readonly Op[];
}

/** `afterClone` follows that of the links: it uses the socket `rtnetlink`, and needs the bridge. */
export function planRules(input: RulesInput): RulesPlan {
  if (input.networks.length === 0) return { before: [], afterClone: [], cleanup: [] };
  if (!input.host.nftables) return planProxy(input.ports, 'This host has no rules for packets');
  const table = planTable({ ...input, ports: input.ports.filter((port) => !needsProxy(port)) });
  const proxy = planProxy(input.ports.filter(needsProxy), 'No rule leads from ::1 to another interface');
  return {
    before: [...table.before, ...proxy.before],
    afterClone: [...table.afterClone, ...proxy.afterClone],
    cleanup: table.cleanup,
  };
}

function planTable(input: RulesInput): RulesPlan {
  const { host, others, container, networks, ports } = input;
  const elements = portElements(container, ports);
  const ofNetworks = networks.flatMap(networkElements);
  const names = networks.map(({ name }) => name).join(', ');
  const published = ports.length > 0;
  const flows = flowTargets(ports);
  return {
    before: [
      ...ports.map(planReservation),
      {
        op: 'netlink_socket',
        into: 'nftables',
        protocol: NETLINK_NETFILTER,
        why: 'Rules for packets are changed through this socket.',
      },
      ...(host.nftables && host.rules !== 'current' ? planBase(host.rules === 'other', others) : []),
      change(
        'the rules of its networks',
        addElements(ofNetworks),
        `The rules hold for the bridges in these sets: network ${names} is kept apart from others, and what leaves it gets the address of the host.`,
      ),
    ],
    afterClone: published
      ? [
          ...networks.map(planRouteLocalnet),
          ...input.cables.map(planHairpin),
          change(
            'the rules of its published ports',
            addElements(elements),
            'The rules look here for the container behind a port of the host.',
          ),
          ...flows.map(planNewFlows),
        ]
      : [],
    // Cleanup runs backwards: the rules go first, or a packet would make such a flow again.
    cleanup: published
      ? [
          ...flows.map(planOldFlows),
          change(
            'the end of its published ports',
            removeElements(elements),
            'Packets to these ports would still be sent to the address, which another container may have next. Each element is added first: deleting one that is not there would be refused, and all others with it.',
            ['ENOENT', 'EEXIST'],
          ),
        ]
      : [],
  };
}

function planBase(replace: boolean, others: readonly RuleElement[]): readonly Op[] {
  return [
    change(
      'the table of rules',
      [...baseRules({ replace }), ...addElements(others)],
      'One table holds all rules of all containers; those of other programs stay as they are. It is made whole or not at all, and only once (EEXIST: by somebody else just now).',
      ['EEXIST'],
    ),
  ];
}

function planReservation(binding: PortBinding): Op {
  return {
    op: 'reserve_port',
    protocol: PROTOCOLS[binding.protocol],
    address: binding.hostAddress,
    port: binding.hostPort,
    why: `A socket holds port ${formatHostPort(binding)} of the host, so that no other program gets it; packets to it never arrive there, for the rules send them on.`,
  };
}

function planNewFlows(target: FlowTarget): Op {
  return deleteFlows(
    target,
    `Rules see the first packet of a flow only: who has been sending to port ${target.port} from one port of his own would not reach the container.`,
  );
}

function planOldFlows(target: FlowTarget): Op {
  return deleteFlows(
    target,
    `Who goes on sending to port ${target.port} would be led to the address of this container, whoever has it next.`,
  );
}

function deleteFlows(target: FlowTarget, why: string): Op {
  return {
    op: 'delete_flows',
    socket: 'nftables',
    request: [dumpFlows(target)],
    // EINVAL: a kernel that does not tell its flows (CONFIG_NF_CT_NETLINK).
    tolerate: ['EINVAL'],
    why,
  };
}

function planRouteLocalnet({ bridge }: Pick<Network, 'bridge'>): Op {
  return {
    op: 'write',
    path: `/proc/sys/net/ipv4/conf/${bridge}/route_localnet`,
    data: '1',
    why: "The host's own connections to a published port of 127.0.0.1 leave by the bridge; a rule keeps packets of containers from 127.0.0.0/8 (CVE-2020-8558).",
  };
}

function planHairpin(cable: string): Op {
  return {
    op: 'netlink',
    socket: 'rtnetlink',
    what: `${cable} in hairpin mode`,
    request: [setHairpin(cable)],
    why: 'A container that asks for its own published port is answered through the cable that its question came by.',
  };
}

const PROTOCOLS = { tcp: K.IPPROTO_TCP, udp: K.IPPROTO_UDP } as const;

/** Where rules cannot, a small process takes the connections and passes them on. */
function planProxy(ports: readonly PortBinding[], reason: string): RulesPlan {
  if (ports.length === 0) return { before: [], afterClone: [], cleanup: [] };
  return {
    before: ports.map(
      (binding): Op => ({
        op: 'proxy_port',
        protocol: PROTOCOLS[binding.protocol],
        address: binding.hostAddress,
        port: binding.hostPort,
        target: binding.target,
        targetPort: binding.containerPort,
        why: `${reason}, so port ${formatHostPort(binding)} is served by a process that passes on what arrives.`,
      }),
    ),
    afterClone: [
      { op: 'fsopen', into: 'fs', fstype: 'tmpfs', why: 'An empty file system for the proxy.' },
      create(),
      {
        op: 'fsmount',
        into: 'proxy-root',
        fs: 'fs',
        attributes: K.MOUNT_ATTR_RDONLY,
        why: 'It is attached nowhere: the proxy has it as its root, and sees nothing else.',
      },
      {
        op: 'start_proxy',
        root: 'proxy-root',
        why: 'The process that passes connections on has given up all rights, and ends with the container.',
      },
    ],
    cleanup: [],
  };
}

function change(
  what: string,
  messages: readonly NetlinkMessage[],
  why: string,
  tolerate?: readonly Tolerable[],
): Op {
  return {
    op: 'netlink',
    socket: 'nftables',
    what,
    request: transaction(messages),
    ...(tolerate === undefined ? {} : { tolerate }),
    why,
  };
}
