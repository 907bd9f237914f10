/** Links, addresses and routes as netlink messages. rtnetlink(7); linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h. */
import { type AF_INET, AF_INET6 } from './constants.ts';
import {
  type Attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkReply,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './netlink.ts';
import type { FdName } from './ops.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_NEW_IFINDEX = 49;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_LEARNING = 8;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const NDA_LLADDR = 2;

const IFF_UP = 1;
/** Duplicate address detection would keep the address from being used for a second; the pool knows it is free. */
const IFA_F_NODAD = 2;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const AF_BRIDGE = 7;
const NUD_REACHABLE = 0x02;
const NUD_NOARP = 0x40;
const NTF_MASTER = 0x04;

/** An address as the kernel takes it, and as people write it. */
export interface Address {
  readonly family: typeof AF_INET | typeof AF_INET6;
  /** 4 or 16, in network order. */
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Six bytes. */
export interface MacAddress {
  readonly bytes: Uint8Array;
  readonly text: string;
}

interface NewLink {
  readonly name: string;
  /**
   * The interface's number, chosen by the caller: what refers to the link needs no question to the kernel. Left out where
   * nothing refers to it.
   */
  readonly index?: number | undefined;
  readonly mtu?: number | undefined;
  readonly mac?: MacAddress | undefined;
}

/** A bridge that is up. EEXIST when there is a link of that name. */
export function newBridge({ name, index = 0, mtu, mac }: NewLink): NetlinkMessage {
  return {
    ...create('RTM_NEWLINK', RTM_NEWLINK),
    ...linkHeader(index, { up: true }),
    attributes: [...linkAttributes({ name, mtu, mac }), linkInfo('bridge')],
    byHand: ['ip', 'link', 'add', ...linkWords({ name, index, mtu, mac }), 'up', 'type', 'bridge'],
  };
}

/** A cable of two ends: one here, plugged into the bridge `master` and up, the other born in the namespace `netns`. */
export function newVeth(
  here: NewLink & { readonly master: number; readonly masterName: string },
  there: NewLink & { readonly netns: FdName },
): NetlinkMessage {
  return {
    ...create('RTM_NEWLINK', RTM_NEWLINK),
    ...linkHeader(here.index ?? 0, { up: true }),
    attributes: [
      ...linkAttributes(here),
      u32('IFLA_MASTER', IFLA_MASTER, here.master),
      linkInfo('veth', [
        {
          name: 'VETH_INFO_PEER',
          type: VETH_INFO_PEER,
          value: {
            header: linkHeader(there.index ?? 0, {}).header,
            nested: [
              ...linkAttributes(there),
              { name: 'IFLA_NET_NS_FD', type: IFLA_NET_NS_FD, value: { fd: there.netns } },
            ],
          },
        },
      ]),
    ],
    byHand: [
      ...['ip', 'link', 'add', ...linkWords(here), 'up', 'master', here.masterName, 'type', 'veth'],
      ...['peer', ...linkWords(there), 'netns', there.netns],
    ],
  };
}

/** ip-link(8) takes the words in this order. */
function linkWords({ name, index, mtu, mac }: NewLink): readonly string[] {
  return [
    ...['name', name],
    ...(index === undefined || index === 0 ? [] : ['index', `${index}`]),
    ...(mtu === undefined ? [] : ['mtu', `${mtu}`]),
    ...(mac === undefined ? [] : ['address', mac.text]),
  ];
}

/** Sets a link up. */
export function setLinkUp(name: string): NetlinkMessage {
  return {
    name: 'RTM_NEWLINK',
    type: RTM_NEWLINK,
    flags: NLM_F_ACK,
    ...linkHeader(0, { up: true }),
    attributes: linkAttributes({ name }),
    byHand: ['ip', 'link', 'set', 'dev', name, 'up'],
  };
}

/**
 * Moves a link to the namespace `netns`, where it has another name and number and is up. EEXIST when the name is taken there,
 * EBUSY when the number is.
 */
export function moveLink(
  link: { readonly name: string; readonly index: number },
  there: { readonly name: string; readonly index: number; readonly netns: FdName },
): NetlinkMessage {
  return {
    name: 'RTM_NEWLINK',
    type: RTM_NEWLINK,
    flags: NLM_F_ACK,
    ...linkHeader(link.index, { up: true }),
    attributes: [
      ...linkAttributes({ name: there.name }),
      { name: 'IFLA_NET_NS_FD', type: IFLA_NET_NS_FD, value: { fd: there.netns } },
      u32('IFLA_NEW_IFINDEX', IFLA_NEW_IFINDEX, there.index),
    ],
    byHand: ['ip', 'link', 'set', 'dev', link.name, 'name', there.name, 'netns', there.netns],
  };
}

/** A frame may leave the bridge by the port that it came from. */
export function setHairpin(name: string): NetlinkMessage {
  const mode: Attribute = { name: 'IFLA_BRPORT_MODE', type: IFLA_BRPORT_MODE, value: { u8: 1 } };
  return setBridgePort(name, mode, ['hairpin', 'on']);
}

/** The bridge does not conclude from frames that come by this port who is behind it. */
export function stopLearning(name: string): NetlinkMessage {
  const learning: Attribute = { name: 'IFLA_BRPORT_LEARNING', type: IFLA_BRPORT_LEARNING, value: { u8: 0 } };
  return setBridgePort(name, learning, ['learning', 'off']);
}

function setBridgePort(name: string, setting: Attribute, words: readonly string[]): NetlinkMessage {
  return {
    name: 'RTM_NEWLINK',
    type: RTM_NEWLINK,
    flags: NLM_F_ACK,
    ...linkHeader(0, {}),
    attributes: [
      ...linkAttributes({ name }),
      {
        name: 'IFLA_LINKINFO',
        type: IFLA_LINKINFO,
        value: {
          nested: [
            { name: 'IFLA_INFO_SLAVE_KIND', type: IFLA_INFO_SLAVE_KIND, value: { text: 'bridge' } },
            { name: 'IFLA_INFO_SLAVE_DATA', type: IFLA_INFO_SLAVE_DATA, value: { nested: [setting] } },
          ],
        },
      },
    ],
    byHand: ['ip', 'link', 'set', 'dev', name, 'type', 'bridge_slave', ...words],
  };
}

/** Frames for `mac` leave the bridge by this port, and by no other. In place of what the bridge had learnt. bridge(8), fdb. */
export function newForwarding(
  mac: MacAddress,
  { name, index }: { readonly name: string; readonly index: number },
): NetlinkMessage {
  const header = Buffer.alloc(12);
  header.writeUInt8(AF_BRIDGE, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(NUD_NOARP + NUD_REACHABLE, 8);
  header.writeUInt8(NTF_MASTER, 10);
  return {
    name: 'RTM_NEWNEIGH',
    type: RTM_NEWNEIGH,
    flags: NLM_F_ACK + NLM_F_CREATE + NLM_F_REPLACE,
    header,
    attributes: [{ name: 'NDA_LLADDR', type: NDA_LLADDR, value: { bytes: mac.bytes } }],
    byHand: ['bridge', 'fdb', 'replace', mac.text, 'dev', name, 'master', 'static'],
  };
}

/** ENODEV when there is none. */
export function deleteLink(name: string): NetlinkMessage {
  return {
    name: 'RTM_DELLINK',
    type: RTM_DELLINK,
    flags: NLM_F_ACK,
    ...linkHeader(0, {}),
    attributes: linkAttributes({ name }),
    byHand: ['ip', 'link', 'del', 'dev', name],
  };
}

/** EEXIST when the link has it already. `prefix`: bits of the network's part. */
export function newAddress(
  link: { readonly name: string; readonly index: number },
  address: Address,
  prefix: number,
): NetlinkMessage {
  const header = Buffer.alloc(8);
  const flags = address.family === AF_INET6 ? IFA_F_NODAD : 0;
  header.set([address.family, prefix, flags, RT_SCOPE_UNIVERSE]);
  header.writeUInt32LE(link.index, 4);
  return {
    ...create('RTM_NEWADDR', RTM_NEWADDR),
    header,
    shown: { ifa_index: link.index, ifa_prefixlen: prefix },
    attributes: [bytes('IFA_LOCAL', IFA_LOCAL, address), bytes('IFA_ADDRESS', IFA_ADDRESS, address)],
    byHand: [
      ...['ip', 'address', 'add', `${address.text}/${prefix}`, 'dev', link.name],
      ...(address.family === AF_INET6 ? ['nodad'] : []),
    ],
  };
}

/** EADDRNOTAVAIL when the link does not have it. */
export function deleteAddress(
  link: { readonly name: string; readonly index: number },
  address: Address,
  prefix: number,
): NetlinkMessage {
  const { header, shown, attributes } = newAddress(link, address, prefix);
  return {
    name: 'RTM_DELADDR',
    type: RTM_DELADDR,
    flags: NLM_F_ACK,
    header,
    ...(shown && { shown }),
    attributes,
    byHand: ['ip', 'address', 'del', `${address.text}/${prefix}`, 'dev', link.name],
  };
}

/** The default route, or the one to `to`; through `gateway`, or straight to the link. */
export function newRoute(route: {
  readonly to?: { readonly network: Address; readonly prefix: number };
  readonly gateway?: Address;
  readonly family: Address['family'];
  readonly link: { readonly name: string; readonly index: number };
}): NetlinkMessage {
  const { to, gateway, family, link } = route;
  const scope = gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const header = Buffer.alloc(12);
  header.set([family, to?.prefix ?? 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST]);
  return {
    ...create('RTM_NEWROUTE', RTM_NEWROUTE),
    header,
    shown: { rtm_dst_len: to?.prefix ?? 0 },
    attributes: [
      ...(to === undefined ? [] : [bytes('RTA_DST', RTA_DST, to.network)]),
      ...(gateway === undefined ? [] : [bytes('RTA_GATEWAY', RTA_GATEWAY, gateway)]),
      u32('RTA_OIF', RTA_OIF, link.index),
    ],
    byHand: [
      ...['ip', ...(family === AF_INET6 ? ['-6'] : []), 'route', 'add'],
      to === undefined ? 'default' : `${to.network.text}/${to.prefix}`,
      ...(gateway === undefined ? [] : ['via', gateway.text]),
      ...['dev', link.name],
    ],
  };
}

export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly master: number | undefined;
}

export const dumpLinks: NetlinkMessage = dump('RTM_GETLINK', RTM_GETLINK, 16);
export const dumpAddresses: NetlinkMessage = dump('RTM_GETADDR', RTM_GETADDR, 8);
export const dumpRoutes: NetlinkMessage = dump('RTM_GETROUTE', RTM_GETROUTE, 12);

export function readLinks(replies: readonly NetlinkReply[]): LinkInfo[] {
  return replies
    .filter(({ type }) => type === RTM_NEWLINK)
    .map(({ payload }) => {
      const attributes = decodeAttributes(payload.subarray(16));
      return {
        index: payload.readInt32LE(4),
        name: attributes.get(IFLA_IFNAME)?.toString('utf8').replace(/\0.*$/s, '') ?? '',
        up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
        master: attributes.get(IFLA_MASTER)?.readUInt32LE(0),
      };
    });
}

export interface AddressInfo {
  readonly index: number;
  readonly family: number;
  readonly prefix: number;
  /** IFA_F_* */
  readonly flags: number;
  /** RT_SCOPE_* */
  readonly scope: number;
  readonly bytes: Buffer;
}

export function readAddresses(replies: readonly NetlinkReply[]): AddressInfo[] {
  return replies
    .filter(({ type }) => type === RTM_NEWADDR)
    .map(({ payload }) => {
      const attributes = decodeAttributes(payload.subarray(8));
      const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(0);
      return {
        index: payload.readUInt32LE(4),
        family: payload.readUInt8(0),
        prefix: payload.readUInt8(1),
        flags: payload.readUInt8(2),
        scope: payload.readUInt8(3),
        bytes: address,
      };
    });
}

export interface RouteInfo {
  readonly family: number;
  readonly prefix: number;
  /** Empty for the default route. */
  readonly destination: Buffer;
}

export function readRoutes(replies: readonly NetlinkReply[]): RouteInfo[] {
  return replies
    .filter(({ type }) => type === RTM_NEWROUTE)
    .map(({ payload }) => ({
      family: payload.readUInt8(0),
      prefix: payload.readUInt8(1),
      destination: decodeAttributes(payload.subarray(12)).get(RTA_DST) ?? Buffer.alloc(0),
    }));
}

function create(name: string, type: number): Pick<NetlinkMessage, 'name' | 'type' | 'flags'> {
  return { name, type, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL };
}

function dump(name: string, type: number, headerSize: number): NetlinkMessage {
  return { name, type, flags: NLM_F_DUMP, header: Buffer.alloc(headerSize), attributes: [], byHand: [] };
}

/** struct ifinfomsg. An index of 0: the link is named by IFLA_IFNAME. */
function linkHeader(index: number, { up = false }): Pick<NetlinkMessage, 'header' | 'shown'> {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (up) {
    header.writeUInt32LE(IFF_UP, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return {
    header,
    shown: { ...(index === 0 ? {} : { ifi_index: index }), ...(up ? { ifi_flags: 'IFF_UP' } : {}) },
  };
}

function linkAttributes({ name, mtu, mac }: Omit<NewLink, 'index'>): readonly Attribute[] {
  return [
    { name: 'IFLA_IFNAME', type: IFLA_IFNAME, value: { text: name } },
    ...(mtu === undefined ? [] : [u32('IFLA_MTU', IFLA_MTU, mtu)]),
    ...(mac === undefined ? [] : [bytes('IFLA_ADDRESS', IFLA_ADDRESS, mac)]),
  ];
}

function linkInfo(kind: string, data: readonly Attribute[] = []): Attribute {
  return {
    name: 'IFLA_LINKINFO',
    type: IFLA_LINKINFO,
    value: {
      nested: [
        { name: 'IFLA_INFO_KIND', type: IFLA_INFO_KIND, value: { text: kind } },
        ...(data.length === 0
          ? []
          : [{ name: 'IFLA_INFO_DATA', type: IFLA_INFO_DATA, value: { nested: data } }]),
      ],
    },
  };
}

function u32(name: string, type: number, value: number): Attribute {
  return { name, type, value: { u32: value } };
}

function bytes(
  name: string,
  type: number,
  value: { readonly bytes: Uint8Array; readonly text: string },
): Attribute {
  return { name, type, value: { bytes: value.bytes, shown: value.text } };
}
