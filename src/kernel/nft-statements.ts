/**
 * What rules of nftables are made of: statements as nft(8) writes them, each with the expressions that the kernel runs for
 * it. Expressions pass values on in registers. linux/netfilter/nf_tables.h.
 */
import type { Attribute } from './netlink.ts';
import type { Address } from './rtnetlink.ts';

export interface Statement {
  /** As nft(8) reads and lists it. */
  readonly words: string;
  readonly expressions: readonly Attribute[];
}

/** What of a packet can be looked at, in the words of nft(8). */
export type Field = keyof typeof FIELDS;

const NFT_META_IIFNAME = 6;
const NFT_META_OIFNAME = 7;
const NFT_META_NFPROTO = 15;
const NFT_META_L4PROTO = 16;
const NFT_PAYLOAD_NETWORK_HEADER = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const IFNAMSIZ = 16;

interface FieldSource {
  /** Bytes in a register. */
  readonly size: number;
  /** One that only packets of this family have. */
  readonly family?: Family;
  load(register: number): Attribute;
}

const FIELDS = {
  iifname: meta(NFT_META_IIFNAME, IFNAMSIZ),
  oifname: meta(NFT_META_OIFNAME, IFNAMSIZ),
  'meta nfproto': meta(NFT_META_NFPROTO, 1),
  'meta l4proto': meta(NFT_META_L4PROTO, 1),
  'ip saddr': payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 'ip'),
  'ip daddr': payload(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 'ip'),
  'ip6 saddr': payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 'ip6'),
  'ip6 daddr': payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16, 'ip6'),
  'th dport': payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2),
} satisfies Record<string, FieldSource>;

/** NFPROTO_*: linux/netfilter.h. */
export const FAMILIES = {
  ip: { number: 2, words: 'ipv4', addressSize: 4 },
  ip6: { number: 10, words: 'ipv6', addressSize: 16 },
} as const;
export type Family = keyof typeof FAMILIES;

/** NFT_REG_1 holds 16 bytes; NFT_REG32_00 … are the same memory in pieces of 4. */
const REGISTER = 1;
const REGISTER_PIECES = 8;
const NFT_REG_VERDICT = 0;

const registerAt = (offset: number) => (offset === 0 ? REGISTER : REGISTER_PIECES + offset / 4);
const padded = (size: number) => (size + 3) & ~3;

/** The rule goes on when the values of `fields`, one behind the other, are in the set; with `not`, when they are not. */
export function isIn(fields: readonly Field[], set: string, { not = false } = {}): Statement {
  const NFT_LOOKUP_F_INV = 1;
  return {
    words: `${fields.join(' . ')} ${not ? '!= ' : ''}@${set}`,
    expressions: [
      ...load(fields),
      expression('lookup', [
        text('NFTA_LOOKUP_SET', 1, set),
        be32('NFTA_LOOKUP_SREG', 2, REGISTER),
        ...(not ? [be32('NFTA_LOOKUP_FLAGS', 5, NFT_LOOKUP_F_INV)] : []),
      ]),
    ],
  };
}

/** The rule goes on for packets of this family only. */
export function isFamily(family: Family): Statement {
  return { words: `meta nfproto ${FAMILIES[family].words}`, expressions: checkFamily(family) };
}

/** The rule goes on for a packet from or to 127.0.0.0/8. */
export function isLoopback(field: 'ip saddr' | 'ip daddr'): Statement {
  const offset = { 'ip saddr': 12, 'ip daddr': 16 }[field];
  return {
    words: `${field} 127.0.0.0/8`,
    expressions: [
      ...checkFamily('ip'),
      payload(NFT_PAYLOAD_NETWORK_HEADER, offset, 1).load(REGISTER),
      compare('==', Uint8Array.of(127)),
    ],
  };
}

/** The rule goes on for a packet from or to this address. */
export function isAddress(field: 'ip saddr' | 'ip daddr', address: Address): Statement {
  return {
    words: `${field} ${address.text}`,
    expressions: [...load([field]), compare('==', address.bytes)],
  };
}

/** Numbers of IP protocols, and where each has the checksum that covers its ports. */
const PROTOCOLS = { tcp: { number: 6, checksum: 16 }, udp: { number: 17, checksum: 6 } } as const;
export type PortProtocol = keyof typeof PROTOCOLS;
const PORTS = { sport: 0, dport: 2 } as const;
const PORT_SIZE = 2;
const portBytes = (port: number) => Uint8Array.of(port >> 8, port & 0xff);

/** The rule goes on for a packet of this protocol from or to this port. */
export function isPort(protocol: PortProtocol, end: keyof typeof PORTS, port: number): Statement {
  return {
    words: `${protocol} ${end} ${port}`,
    expressions: [
      FIELDS['meta l4proto'].load(REGISTER),
      compare('==', Uint8Array.of(PROTOCOLS[protocol].number)),
      payload(NFT_PAYLOAD_TRANSPORT_HEADER, PORTS[end], PORT_SIZE).load(REGISTER),
      compare('==', portBytes(port)),
    ],
  };
}

/** The packet goes on with this port. To be used behind `isPort`. */
export function setPort(protocol: PortProtocol, end: keyof typeof PORTS, port: number): Statement {
  const NFT_PAYLOAD_CSUM_INET = 1;
  return {
    words: `${protocol} ${end} set ${port}`,
    expressions: [
      expression('immediate', [
        be32('NFTA_IMMEDIATE_DREG', 1, REGISTER),
        data('NFTA_IMMEDIATE_DATA', 2, portBytes(port)),
      ]),
      expression('payload', [
        be32('NFTA_PAYLOAD_SREG', 5, REGISTER),
        be32('NFTA_PAYLOAD_BASE', 2, NFT_PAYLOAD_TRANSPORT_HEADER),
        be32('NFTA_PAYLOAD_OFFSET', 3, PORTS[end]),
        be32('NFTA_PAYLOAD_LEN', 4, PORT_SIZE),
        be32('NFTA_PAYLOAD_CSUM_TYPE', 6, NFT_PAYLOAD_CSUM_INET),
        be32('NFTA_PAYLOAD_CSUM_OFFSET', 7, PROTOCOLS[protocol].checksum),
      ]),
    ],
  };
}

/** The rule goes on for a packet to ::1. */
export function isToLoopback6(): Statement {
  const loopback = Buffer.alloc(16);
  loopback[15] = 1;
  return { words: 'ip6 daddr ::1', expressions: [...load(['ip6 daddr']), compare('==', loopback)] };
}

/** The rule goes on when the packet is for an address of this host itself. */
export function isForThisHost(): Statement {
  const NFTA_FIB_F_DADDR = 2;
  const NFT_FIB_RESULT_ADDRTYPE = 3;
  const RTN_LOCAL = 2;
  return {
    words: 'fib daddr type local',
    expressions: [
      expression('fib', [
        be32('NFTA_FIB_DREG', 1, REGISTER),
        be32('NFTA_FIB_RESULT', 2, NFT_FIB_RESULT_ADDRTYPE),
        be32('NFTA_FIB_FLAGS', 3, NFTA_FIB_F_DADDR),
      ]),
      compare('==', hostOrder(RTN_LOCAL)),
    ],
  };
}

const NFT_CT_STATE = 0;
const NFT_CT_STATUS = 2;

/** The rule goes on for a packet that answers, or belongs to, what was let through before. */
export function isEstablished(): Statement {
  const ESTABLISHED = 2;
  const RELATED = 4;
  return conntrack('ct state established,related', NFT_CT_STATE, ESTABLISHED | RELATED);
}

/** The rule goes on for a connection whose destination was rewritten. */
export function isDnat(): Statement {
  const IPS_DST_NAT = 1 << 5;
  return conntrack('ct status dnat', NFT_CT_STATUS, IPS_DST_NAT);
}

/**
 * Sends the packet where the map says for the values of `fields`: to an address and a port. A packet that is not in the map
 * goes on to the next rule.
 */
export function dnatByMap(family: Family, fields: readonly Field[], map: string): Statement {
  const NFT_NAT_DNAT = 1;
  const { number, addressSize } = FAMILIES[family];
  return {
    words: `dnat ${family} to ${fields.join(' . ')} map @${map}`,
    expressions: [
      ...load(fields),
      expression('lookup', [
        text('NFTA_LOOKUP_SET', 1, map),
        be32('NFTA_LOOKUP_SREG', 2, REGISTER),
        be32('NFTA_LOOKUP_DREG', 3, REGISTER),
      ]),
      expression('nat', [
        be32('NFTA_NAT_TYPE', 1, NFT_NAT_DNAT),
        be32('NFTA_NAT_FAMILY', 2, number),
        be32('NFTA_NAT_REG_ADDR_MIN', 3, REGISTER),
        be32('NFTA_NAT_REG_PROTO_MIN', 5, registerAt(addressSize)),
      ]),
    ],
  };
}

/** The packet leaves with the address of the interface that it leaves by. */
export function masquerade(): Statement {
  return { words: 'masquerade', expressions: [expression('masq', [])] };
}

/** Packets and bytes that come this far are counted. */
export function counter(): Statement {
  return {
    words: 'counter',
    expressions: [
      expression('counter', [
        { name: 'NFTA_COUNTER_BYTES', type: 1, value: { be64: 0 } },
        { name: 'NFTA_COUNTER_PACKETS', type: 2, value: { be64: 0 } },
      ]),
    ],
  };
}

const VERDICTS = { drop: 0, accept: 1, return: -5 } as const;

/** The end of this hook's rules in this table; other tables have a say of their own. `return`: of this chain's rules. */
export function verdict(name: keyof typeof VERDICTS): Statement {
  return immediate(name, [be32('NFTA_VERDICT_CODE', 1, VERDICTS[name] >>> 0)]);
}

/** On with the rules of another chain, and back at its end. */
export function jump(chain: string): Statement {
  const NFT_JUMP = -3 >>> 0;
  return immediate(`jump ${chain}`, [
    be32('NFTA_VERDICT_CODE', 1, NFT_JUMP),
    text('NFTA_VERDICT_CHAIN', 2, chain),
  ]);
}

function load(fields: readonly Field[]): readonly Attribute[] {
  const sources = fields.map((name): FieldSource => FIELDS[name]);
  const family = sources.find((source) => source.family !== undefined)?.family;
  let offset = 0;
  const loads = sources.map((source) => {
    const register = registerAt(offset);
    offset += padded(source.size);
    return source.load(register);
  });
  return [...(family === undefined ? [] : checkFamily(family)), ...loads];
}

/** A table of family inet sees packets of both, and an address stands in each at another place. */
function checkFamily(family: Family): readonly Attribute[] {
  return [FIELDS['meta nfproto'].load(REGISTER), compare('==', Uint8Array.of(FAMILIES[family].number))];
}

function conntrack(words: string, key: number, bits: number): Statement {
  return {
    words,
    expressions: [
      expression('ct', [be32('NFTA_CT_DREG', 1, REGISTER), be32('NFTA_CT_KEY', 2, key)]),
      expression('bitwise', [
        be32('NFTA_BITWISE_SREG', 1, REGISTER),
        be32('NFTA_BITWISE_DREG', 2, REGISTER),
        be32('NFTA_BITWISE_LEN', 3, 4),
        data('NFTA_BITWISE_MASK', 4, hostOrder(bits)),
        data('NFTA_BITWISE_XOR', 5, hostOrder(0)),
      ]),
      compare('!=', hostOrder(0)),
    ],
  };
}

function compare(operator: '==' | '!=', value: Uint8Array): Attribute {
  const code = { '==': 0, '!=': 1 }[operator];
  return expression('cmp', [
    be32('NFTA_CMP_SREG', 1, REGISTER),
    be32('NFTA_CMP_OP', 2, code),
    data('NFTA_CMP_DATA', 3, value),
  ]);
}

function immediate(words: string, verdictAttributes: readonly Attribute[]): Statement {
  const value = nested('NFTA_DATA_VERDICT', 2, verdictAttributes);
  return {
    words,
    expressions: [
      expression('immediate', [
        be32('NFTA_IMMEDIATE_DREG', 1, NFT_REG_VERDICT),
        nested('NFTA_IMMEDIATE_DATA', 2, [value]),
      ]),
    ],
  };
}

function meta(key: number, size: number): FieldSource {
  return {
    size,
    load: (register) =>
      expression('meta', [be32('NFTA_META_DREG', 1, register), be32('NFTA_META_KEY', 2, key)]),
  };
}

function payload(base: number, offset: number, size: number, family?: Family): FieldSource {
  return {
    size,
    ...(family === undefined ? {} : { family }),
    load: (register) =>
      expression('payload', [
        be32('NFTA_PAYLOAD_DREG', 1, register),
        be32('NFTA_PAYLOAD_BASE', 2, base),
        be32('NFTA_PAYLOAD_OFFSET', 3, offset),
        be32('NFTA_PAYLOAD_LEN', 4, size),
      ]),
  };
}

function expression(name: string, attributes: readonly Attribute[]): Attribute {
  return nested('NFTA_LIST_ELEM', 1, [
    text('NFTA_EXPR_NAME', 1, name),
    nested('NFTA_EXPR_DATA', 2, attributes),
  ]);
}

/** Numbers that the kernel computes stand in registers in the host's order. */
function hostOrder(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A value of a register or of a set's element. */
export function data(name: string, type: number, bytes: Uint8Array, shown?: string): Attribute {
  const value = shown === undefined ? { bytes } : { bytes, shown };
  return nested(name, type, [{ name: 'NFTA_DATA_VALUE', type: 1, value }]);
}

/** An attribute that is a number, in network order as all of nf_tables. */
export function be32(name: string, type: number, value: number): Attribute {
  return { name, type, value: { be32: value } };
}

/** An attribute that is text. */
export function text(name: string, type: number, value: string): Attribute {
  return { name, type, value: { text: value } };
}

/** An attribute that holds others. */
export function nested(name: string, type: number, attributes: readonly Attribute[]): Attribute {
  return { name, type, value: { nested: attributes } };
}
