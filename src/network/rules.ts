/**
 * The rules of all containers: one table, whose chains are the same on every host and are made once. What differs from
 * network to network and from container to container stands in sets and maps, so that commands that run at the same time
 * only add and remove elements of their own. docs/decisions/nftables.md.
 */
import type { FlowTarget } from '../kernel/conntrack.ts';
import { AF_INET } from '../kernel/constants.ts';
import type { NetlinkMessage } from '../kernel/netlink.ts';
import {
  counter,
  dnatByMap,
  isDnat,
  isEstablished,
  isFamily,
  isForThisHost,
  isIn,
  isLoopback,
  isToLoopback6,
  jump,
  masquerade,
  type Statement,
  verdict,
} from '../kernel/nft-statements.ts';
import {
  addElement,
  deleteElement,
  deleteTable,
  type Hook,
  type NftSet,
  newChain,
  newRule,
  newSet,
  newTable,
  type SetElement,
  type SetValue,
} from '../kernel/nftables.ts';
import type { Address } from '../kernel/rtnetlink.ts';
import { parseAddress, toAddress } from './ip-address.ts';
import { needsProxy, type PortBinding, type PortProtocol } from './published-port.ts';

export const RULES_TABLE = 'tsrun';
/** The comment of the table: another one was made by another version of tsrun, and is replaced. */
export const RULES_VERSION = 'rules of tsrun, version 1';

const BRIDGES: NftSet = { name: 'bridges', key: ['ifname'], comment: 'bridges of all networks' };
const INTERNAL: NftSet = {
  name: 'internal',
  key: ['ifname'],
  comment: 'bridges of networks without a way out',
};
const INSIDE: NftSet = {
  name: 'inside',
  key: ['ifname', 'ifname'],
  comment: 'each bridge with itself: rules cannot compare two interfaces',
};
const SELF_COMMENT = 'each container with published ports, with itself';
const SELF = {
  ip: { name: 'self4', key: ['ipv4_addr', 'ipv4_addr'], comment: SELF_COMMENT },
  ip6: { name: 'self6', key: ['ipv6_addr', 'ipv6_addr'], comment: SELF_COMMENT },
} satisfies Record<string, NftSet>;
/** Published at one address of the host, and at all of them; a rule tries the first before the second. */
const PUBLISHED = {
  ip: {
    at: publishMap('publish4', ['ipv4_addr'], 'ipv4_addr'),
    any: publishMap('publish-any4', [], 'ipv4_addr'),
  },
  ip6: {
    at: publishMap('publish6', ['ipv6_addr'], 'ipv6_addr'),
    any: publishMap('publish-any6', [], 'ipv6_addr'),
  },
};

function publishMap(
  name: string,
  host: readonly ('ipv4_addr' | 'ipv6_addr')[],
  to: 'ipv4_addr' | 'ipv6_addr',
): NftSet {
  const where = host.length === 0 ? 'any address' : 'this address';
  return {
    name,
    key: [...host, 'inet_proto', 'inet_service'],
    data: [to, 'inet_service'],
    comment: `${where} and port of the host, and the container behind it`,
  };
}

const SETS = [
  BRIDGES,
  INTERNAL,
  INSIDE,
  SELF.ip,
  SELF.ip6,
  ...Object.values(PUBLISHED).flatMap(({ at, any }) => [at, any]),
];

interface Chain {
  readonly name: string;
  readonly hook?: Hook;
  readonly rules: readonly { readonly why: string; readonly statements: readonly Statement[] }[];
}

/** Priorities: raw is before connection tracking, then come rewritten destinations, filters, rewritten sources. */
const RAW = -300;
const DSTNAT = -100;
const FILTER = 0;
const SRCNAT = 100;

const CHAINS: readonly Chain[] = [
  {
    // The bridges have route_localnet, or 127.0.0.1:PORT of the host could not lead to a container.
    name: 'guard',
    hook: { type: 'filter', hook: 'prerouting', priority: RAW },
    rules: [
      {
        why: 'no container reaches what listens on loopback only (CVE-2020-8558)',
        statements: [isIn(['iifname'], 'bridges'), isLoopback('ip daddr'), counter(), verdict('drop')],
      },
      {
        why: 'no container pretends to be loopback',
        statements: [isIn(['iifname'], 'bridges'), isLoopback('ip saddr'), counter(), verdict('drop')],
      },
    ],
  },
  {
    name: 'publish',
    rules: [
      {
        why: 'IPv4 ports published at one address',
        statements: [dnatByMap('ip', ['ip daddr', 'meta l4proto', 'th dport'], 'publish4')],
      },
      {
        why: 'IPv4 ports published at every address',
        statements: [isFamily('ip'), dnatByMap('ip', ['meta l4proto', 'th dport'], 'publish-any4')],
      },
      {
        why: 'IPv6 ports published at one address',
        statements: [dnatByMap('ip6', ['ip6 daddr', 'meta l4proto', 'th dport'], 'publish6')],
      },
      {
        why: 'IPv6 ports published at every address',
        statements: [isFamily('ip6'), dnatByMap('ip6', ['meta l4proto', 'th dport'], 'publish-any6')],
      },
    ],
  },
  {
    name: 'prerouting',
    hook: { type: 'nat', hook: 'prerouting', priority: DSTNAT },
    rules: [
      {
        why: 'from outside and from containers to a port of the host',
        statements: [isForThisHost(), jump('publish')],
      },
    ],
  },
  {
    name: 'output',
    hook: { type: 'nat', hook: 'output', priority: DSTNAT },
    rules: [
      {
        why: 'IPv6 has no route_localnet: a port of ::1 is served by a process, or refused, and clients turn to 127.0.0.1',
        statements: [isToLoopback6(), verdict('return')],
      },
      { why: 'from the host to a port of its own', statements: [isForThisHost(), jump('publish')] },
    ],
  },
  {
    name: 'postrouting',
    hook: { type: 'nat', hook: 'postrouting', priority: SRCNAT },
    rules: [
      {
        why: 'a neighbour behind a published port would answer past the host, and nobody asked it',
        statements: [isIn(['iifname', 'oifname'], 'inside'), isDnat(), masquerade()],
      },
      {
        why: 'an answer to loopback would stay in the container',
        statements: [isIn(['oifname'], 'bridges'), isLoopback('ip saddr'), masquerade()],
      },
      {
        why: 'a container behind its own published port would answer itself',
        statements: [isIn(['ip saddr', 'ip daddr'], 'self4'), masquerade()],
      },
      {
        why: 'a container behind its own published port would answer itself',
        statements: [isIn(['ip6 saddr', 'ip6 daddr'], 'self6'), masquerade()],
      },
      {
        why: 'nobody outside knows the way to addresses of containers',
        statements: [isIn(['iifname'], 'bridges'), isIn(['oifname'], 'bridges', { not: true }), masquerade()],
      },
    ],
  },
  {
    name: 'forward',
    hook: { type: 'filter', hook: 'forward', priority: FILTER },
    rules: [
      {
        why: 'containers of one network reach each other',
        statements: [isIn(['iifname', 'oifname'], 'inside'), verdict('accept')],
      },
      { why: 'answers', statements: [isEstablished(), verdict('accept')] },
      {
        why: 'no way out of an internal network',
        statements: [isIn(['iifname'], 'internal'), counter(), verdict('drop')],
      },
      {
        why: 'no way into an internal network',
        statements: [isIn(['oifname'], 'internal'), counter(), verdict('drop')],
      },
      { why: 'to published ports', statements: [isDnat(), verdict('accept')] },
      {
        why: 'from outside and from other networks only published ports are reached',
        statements: [isIn(['oifname'], 'bridges'), counter(), verdict('drop')],
      },
    ],
  },
];

/**
 * Everything but the elements, to be sent in one transaction. EEXIST: the table is there already. `replace`: the table of
 * another version goes in the same transaction.
 */
export function baseRules({ replace = false } = {}): readonly NetlinkMessage[] {
  return [
    ...(replace ? [deleteTable(RULES_TABLE)] : []),
    newTable(RULES_TABLE, RULES_VERSION),
    ...SETS.map((set, i) => newSet(RULES_TABLE, set, i + 1)),
    ...CHAINS.flatMap(({ name, hook, rules }) => [
      newChain(RULES_TABLE, name, hook),
      ...rules.map(({ why, statements }) => newRule(RULES_TABLE, name, why, statements)),
    ]),
  ];
}

/** What a network or a container has in the table. */
export interface RuleElement {
  readonly set: NftSet;
  readonly element: SetElement;
}

/** No error for those that are there already. */
export function addElements(elements: readonly RuleElement[]): readonly NetlinkMessage[] {
  return elements.map(({ set, element }) => addElement(RULES_TABLE, set, element));
}

/** Each is added before it is deleted: one that is missing is then no reason to refuse the transaction. */
export function removeElements(elements: readonly RuleElement[]): readonly NetlinkMessage[] {
  return elements.flatMap(({ set, element }) => [
    addElement(RULES_TABLE, set, element),
    deleteElement(RULES_TABLE, set, element),
  ]);
}

/** What a network has in the table. */
export function networkElements(network: {
  readonly name: string;
  /** Its interface on the host. */
  readonly bridge: string;
  readonly internal: boolean;
}): readonly RuleElement[] {
  const bridge = interfaceName(network.bridge);
  const comment = `network ${network.name}`;
  return [
    { set: BRIDGES, element: { key: [bridge], comment } },
    { set: INSIDE, element: { key: [bridge, bridge], comment } },
    ...(network.internal ? [{ set: INTERNAL, element: { key: [bridge], comment } }] : []),
  ];
}

/** What the published ports of a container have in the table. */
export function portElements(container: string, published: readonly PortBinding[]): readonly RuleElement[] {
  const bindings = published.filter((binding) => !needsProxy(binding));
  const comment = `container ${container}`;
  const targets = new Map(bindings.map(({ target }) => [target, address(target)]));
  return [
    ...bindings.map((binding) => bindingElement(comment, binding)),
    ...[...targets.values()].map((itself) => ({
      set: SELF[familyOf(itself)],
      element: { key: [itself, itself], comment },
    })),
  ];
}

/**
 * Where packets to published ports are first sent, by datagrams: a flow of those has no end that the kernel sees, and lasts as
 * long as packets come. Connections begin anew.
 */
export function flowTargets(bindings: readonly PortBinding[]): readonly FlowTarget[] {
  return bindings
    .filter((binding) => binding.protocol === 'udp' && !needsProxy(binding))
    .map(({ protocol, hostAddress, hostPort }) => {
      const host = address(hostAddress);
      const everywhere = host.bytes.every((byte) => byte === 0);
      return { family: host.family, protocol, port: hostPort, ...(everywhere ? {} : { address: host }) };
    });
}

function bindingElement(comment: string, binding: PortBinding): RuleElement {
  const host = address(binding.hostAddress);
  const target = address(binding.target);
  const { at, any } = PUBLISHED[familyOf(target)];
  const everywhere = host.bytes.every((byte) => byte === 0);
  return {
    set: everywhere ? any : at,
    element: {
      key: [...(everywhere ? [] : [host]), protocolValue(binding.protocol), portValue(binding.hostPort)],
      data: [target, portValue(binding.containerPort)],
      comment,
    },
  };
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return toAddress(parsed);
}

const familyOf = ({ family }: Address) => (family === AF_INET ? 'ip' : 'ip6');

const PROTOCOL_NUMBERS: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17 };

function protocolValue(protocol: PortProtocol): SetValue {
  return { bytes: Uint8Array.of(PROTOCOL_NUMBERS[protocol]), text: protocol };
}

function portValue(port: number): SetValue {
  return { bytes: Uint8Array.of(port >> 8, port & 0xff), text: `${port}` };
}

function interfaceName(name: string): SetValue {
  return { bytes: Buffer.from(name), text: `"${name}"` };
}
