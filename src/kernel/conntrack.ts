/** Flows of packets that the kernel remembers, with the way it has chosen for them. linux/netfilter/nfnetlink_conntrack.h. */
import { AF_INET, IPPROTO_TCP, IPPROTO_UDP } from './constants.ts';
import {
  type Attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkReply,
  NLM_F_ACK,
  NLM_F_DUMP,
} from './netlink.ts';
import { nested } from './nft-statements.ts';
import type { Address } from './rtnetlink.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;

const CTA_TUPLE_ORIG = 1;
/** What names a flow among all others. */
const NAMES_FLOW = { CTA_TUPLE_ORIG, CTA_ID: 12, CTA_ZONE: 18 };
/** struct nfgenmsg: family, version, resource. */
const NFGENMSG_SIZE = 4;

/** Bits of CTA_FILTER_ORIG_FLAGS: which parts of the tuple must be equal (net/netfilter/nf_internals.h). */
const FILTER = { ipDestination: 1 << 1, protocol: 1 << 3, destinationPort: 1 << 5 };

const PROTOCOLS = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP } as const;

/** What a flow was first sent to. */
export interface FlowTarget {
  readonly family: Address['family'];
  /** Left out: any address of the family. */
  readonly address?: Address;
  readonly protocol: keyof typeof PROTOCOLS;
  readonly port: number;
}

/** Asks for all flows to `target`; the kernel sorts the others out (Linux 5.8). */
export function dumpFlows({ family, address, protocol, port }: FlowTarget): NetlinkMessage {
  const flags = FILTER.protocol | FILTER.destinationPort | (address === undefined ? 0 : FILTER.ipDestination);
  const ip = address === undefined ? [] : [nested('CTA_TUPLE_IP', 1, [destination(address)])];
  return {
    name: 'IPCTNL_MSG_CT_GET',
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    flags: NLM_F_DUMP,
    header: Uint8Array.of(family, 0, 0, 0),
    attributes: [
      nested('CTA_TUPLE_ORIG', CTA_TUPLE_ORIG, [
        ...ip,
        nested('CTA_TUPLE_PROTO', 2, [
          { name: 'CTA_PROTO_NUM', type: 1, value: { u8: PROTOCOLS[protocol] } },
          { name: 'CTA_PROTO_DST_PORT', type: 3, value: { be16: port } },
        ]),
      ]),
      nested('CTA_FILTER', 25, [{ name: 'CTA_FILTER_ORIG_FLAGS', type: 1, value: { u32: flags } }]),
    ],
    byHand: [
      ...['conntrack', '-D', '-f', family === AF_INET ? 'ipv4' : 'ipv6', '-p', protocol],
      ...(address === undefined ? [] : ['--orig-dst', address.text]),
      ...['--orig-port-dst', `${port}`],
    ],
  };
}

/** Deletes the flow that `reply`, to a dump, is about. ENOENT when it has ended meanwhile. */
export function deleteFlow({ payload }: NetlinkReply): NetlinkMessage {
  const given = decodeAttributes(payload.subarray(NFGENMSG_SIZE));
  const [family = 0] = payload;
  return {
    name: 'IPCTNL_MSG_CT_DELETE',
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
    flags: NLM_F_ACK,
    header: Uint8Array.of(family, 0, 0, 0),
    attributes: Object.entries(NAMES_FLOW).flatMap(([name, type]) => {
      const bytes = given.get(type);
      return bytes === undefined ? [] : [{ name, type, value: { bytes } }];
    }),
    byHand: [],
  };
}

function destination({ family, bytes, text }: Address): Attribute {
  const [name, type] = family === AF_INET ? (['CTA_IP_V4_DST', 2] as const) : (['CTA_IP_V6_DST', 4] as const);
  return { name, type, value: { bytes, shown: text } };
}
