/** Tables, chains, rules, sets and their elements as netlink messages. nft(8); linux/netfilter/nf_tables.h, nfnetlink.h. */
import {
  type Attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkReply,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from './netlink.ts';
import { be32, data, nested, type Statement, text } from './nft-statements.ts';

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_UNSPEC = 0;
const NFPROTO_INET = 1;

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;

/** All tables here are of family inet: they see IPv4 and IPv6. */
const FAMILY = 'inet';

/** The kernel takes all of these messages, or, when it refuses one of them, none. */
export function transaction(messages: readonly NetlinkMessage[]): NetlinkRequest {
  return [
    batch('NFNL_MSG_BATCH_BEGIN', NFNL_MSG_BATCH_BEGIN),
    ...messages,
    batch('NFNL_MSG_BATCH_END', NFNL_MSG_BATCH_END),
  ];
}

/** EEXIST when there is one of that name. `comment` is at most 127 bytes, here and below. */
export function newTable(table: string, comment: string): NetlinkMessage {
  return {
    ...message('NFT_MSG_NEWTABLE', NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL),
    attributes: [text('NFTA_TABLE_NAME', 1, table), userdata('NFTA_TABLE_USERDATA', 6, comment)],
    byHand: ['nft', 'create', 'table', FAMILY, table, `{ comment "${comment}" ; }`],
  };
}

/** With everything in it; ENOENT when there is none. */
export function deleteTable(table: string): NetlinkMessage {
  return {
    ...message('NFT_MSG_DELTABLE', NFT_MSG_DELTABLE),
    attributes: [text('NFTA_TABLE_NAME', 1, table)],
    byHand: ['nft', 'delete', 'table', FAMILY, table],
  };
}

/** ENOENT when there is none; not part of a transaction. */
export function getTable(table: string): NetlinkMessage {
  return {
    ...message('NFT_MSG_GETTABLE', NFT_MSG_GETTABLE),
    attributes: [text('NFTA_TABLE_NAME', 1, table)],
    byHand: ['nft', 'list', 'table', FAMILY, table],
  };
}

/** The comment of the table that `getTable` found. */
export function readTableComment(replies: readonly NetlinkReply[]): string | undefined {
  const NFTA_TABLE_USERDATA = 6;
  const payload = replies[0]?.payload.subarray(NFGENMSG_SIZE) ?? Buffer.alloc(0);
  const found = decodeAttributes(payload).get(NFTA_TABLE_USERDATA);
  return found?.toString('utf8', 2).replace(/\0.*$/s, '');
}

const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Where packets meet the rules of a chain. Chains of a hook run in the order of priority, lowest first. */
export interface Hook {
  readonly type: 'filter' | 'nat';
  readonly hook: keyof typeof HOOKS;
  /** NF_IP_PRI_*: linux/netfilter_ipv4.h. */
  readonly priority: number;
}

/** A chain that the kernel runs at `hook`; left out, one that rules jump to. Its policy is accept. */
export function newChain(table: string, name: string, hook?: Hook): NetlinkMessage {
  const NF_ACCEPT = 1;
  return {
    ...message('NFT_MSG_NEWCHAIN', NFT_MSG_NEWCHAIN, NLM_F_CREATE),
    attributes: [
      text('NFTA_CHAIN_TABLE', 1, table),
      text('NFTA_CHAIN_NAME', 3, name),
      ...(hook === undefined
        ? []
        : [
            nested('NFTA_CHAIN_HOOK', 4, [
              be32('NFTA_HOOK_HOOKNUM', 1, HOOKS[hook.hook]),
              be32('NFTA_HOOK_PRIORITY', 2, hook.priority >>> 0),
            ]),
            be32('NFTA_CHAIN_POLICY', 5, NF_ACCEPT),
            text('NFTA_CHAIN_TYPE', 7, hook.type),
          ]),
    ],
    byHand: [
      ...['nft', 'add', 'chain', FAMILY, table, name],
      ...(hook === undefined
        ? []
        : [`{ type ${hook.type} hook ${hook.hook} priority ${hook.priority} ; policy accept ; }`]),
    ],
  };
}

/** A rule at the end of the chain. */
export function newRule(
  table: string,
  chain: string,
  comment: string,
  statements: readonly Statement[],
): NetlinkMessage {
  return {
    ...message('NFT_MSG_NEWRULE', NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND),
    attributes: [
      text('NFTA_RULE_TABLE', 1, table),
      text('NFTA_RULE_CHAIN', 2, chain),
      nested(
        'NFTA_RULE_EXPRESSIONS',
        4,
        statements.flatMap(({ expressions }) => expressions),
      ),
      userdata('NFTA_RULE_USERDATA', 7, comment),
    ],
    byHand: [
      ...['nft', 'add', 'rule', FAMILY, table, chain],
      ...statements.map(({ words }) => words),
      `comment "${comment}"`,
    ],
  };
}

/** Types of keys and data: the numbers are nft's own (its source, include/datatype.h), bytes as in a register. */
const TYPES = {
  ipv4_addr: { number: 7, size: 4 },
  ipv6_addr: { number: 8, size: 16 },
  inet_proto: { number: 12, size: 4 },
  inet_service: { number: 13, size: 4 },
  ifname: { number: 41, size: 16 },
} as const;
export type SetType = keyof typeof TYPES;

/** A set of values, or, with `data`, a map from values to others. Several types: values one behind the other. */
export interface NftSet {
  readonly name: string;
  readonly key: readonly SetType[];
  readonly data?: readonly SetType[];
  readonly comment: string;
}

/** `id`: a number that no other set of the transaction has. */
export function newSet(table: string, set: NftSet, id: number): NetlinkMessage {
  const { name, key, data: target, comment } = set;
  const NFT_SET_MAP = 8;
  return {
    ...message('NFT_MSG_NEWSET', NFT_MSG_NEWSET, NLM_F_CREATE),
    attributes: [
      text('NFTA_SET_TABLE', 1, table),
      text('NFTA_SET_NAME', 2, name),
      be32('NFTA_SET_FLAGS', 3, target === undefined ? 0 : NFT_SET_MAP),
      be32('NFTA_SET_KEY_TYPE', 4, typeNumber(key)),
      be32('NFTA_SET_KEY_LEN', 5, typeSize(key)),
      ...(target === undefined
        ? []
        : [
            be32('NFTA_SET_DATA_TYPE', 6, typeNumber(target)),
            be32('NFTA_SET_DATA_LEN', 7, typeSize(target)),
          ]),
      be32('NFTA_SET_ID', 10, id),
      setUserdata(key, comment),
    ],
    byHand: [
      ...['nft', 'add', target === undefined ? 'set' : 'map', FAMILY, table, name],
      `{ type ${[key, ...(target === undefined ? [] : [target])].map((types) => types.join(' . ')).join(' : ')} ; comment "${comment}" ; }`,
    ],
  };
}

/** nft packs the types of a concatenation into one number, six bits each. */
function typeNumber(types: readonly SetType[]): number {
  return types.reduce((packed, type) => (packed << 6) | TYPES[type].number, 0);
}

function typeSize(types: readonly SetType[]): number {
  return types.reduce((sum, type) => sum + TYPES[type].size, 0);
}

/** One value of a key or of data. `bytes` are padded with zeros to the size of the type. */
export interface SetValue {
  readonly bytes: Uint8Array;
  /** As nft(8) writes it. */
  readonly text: string;
}

export interface SetElement {
  readonly key: readonly SetValue[];
  readonly data?: readonly SetValue[];
  readonly comment: string;
}

/** No error when it is there already; EEXIST when a map has the key with other data. */
export function addElement(table: string, set: NftSet, element: SetElement): NetlinkMessage {
  return {
    ...message('NFT_MSG_NEWSETELEM', NFT_MSG_NEWSETELEM, NLM_F_CREATE),
    attributes: elementAttributes(table, set, element),
    byHand: elementByHand('add', table, set, element),
  };
}

/** ENOENT when it is not there. */
export function deleteElement(table: string, set: NftSet, element: SetElement): NetlinkMessage {
  return {
    ...message('NFT_MSG_DELSETELEM', NFT_MSG_DELSETELEM),
    attributes: elementAttributes(table, set, element),
    byHand: elementByHand('delete', table, set, element),
  };
}

function elementAttributes(table: string, set: NftSet, element: SetElement): readonly Attribute[] {
  const values = [
    elementValue('NFTA_SET_ELEM_KEY', 1, set.key, element.key),
    ...(set.data === undefined ? [] : [elementValue('NFTA_SET_ELEM_DATA', 2, set.data, element.data ?? [])]),
    userdata('NFTA_SET_ELEM_USERDATA', 6, element.comment),
  ];
  return [
    text('NFTA_SET_ELEM_LIST_TABLE', 1, table),
    text('NFTA_SET_ELEM_LIST_SET', 2, set.name),
    nested('NFTA_SET_ELEM_LIST_ELEMENTS', 3, [nested('NFTA_LIST_ELEM', 1, values)]),
  ];
}

function elementValue(
  name: string,
  type: number,
  types: readonly SetType[],
  values: readonly SetValue[],
): Attribute {
  const bytes = Buffer.alloc(typeSize(types));
  let offset = 0;
  types.forEach((of, i) => {
    bytes.set(values[i]?.bytes ?? [], offset);
    offset += TYPES[of].size;
  });
  return data(name, type, bytes, shownValues(values));
}

const shownValues = (values: readonly SetValue[]) => values.map((value) => value.text).join(' . ');

function elementByHand(
  verb: 'add' | 'delete',
  table: string,
  set: NftSet,
  { key, data: target, comment }: SetElement,
): readonly string[] {
  const mapped = target === undefined ? '' : ` : ${shownValues(target)}`;
  return [
    ...['nft', verb, 'element', FAMILY, table, set.name],
    `{ ${shownValues(key)} comment "${comment}"${mapped} }`,
  ];
}

/** What nft keeps for itself beside an object; the kernel only stores it. */
function userdata(name: string, type: number, comment: string): Attribute {
  return { name, type, value: { bytes: commentBytes(0, comment), shown: JSON.stringify(comment) } };
}

/** Kind, length, text with its NUL. */
function commentBytes(kind: number, comment: string): Uint8Array {
  const value = Buffer.from(`${comment}\0`);
  return Buffer.concat([Uint8Array.of(kind, value.length), value]);
}

/** nft lists a single key only when it knows the order of its bytes. */
function setUserdata(key: readonly SetType[], comment: string): Attribute {
  const KEY_BYTE_ORDER = 0;
  const COMMENT = 7;
  const HOST_ENDIAN = 1;
  const BIG_ENDIAN = 2;
  const [only, ...others] = key;
  const order = others.length > 0 ? 0 : only === 'ifname' ? HOST_ENDIAN : BIG_ENDIAN;
  const bytes = Buffer.concat([
    Uint8Array.of(KEY_BYTE_ORDER, 4, order, 0, 0, 0),
    commentBytes(COMMENT, comment),
  ]);
  return { name: 'NFTA_SET_USERDATA', type: 13, value: { bytes, shown: JSON.stringify(comment) } };
}

function message(
  name: string,
  type: number,
  flags = 0,
): Pick<NetlinkMessage, 'name' | 'type' | 'flags' | 'header'> {
  return {
    name,
    type: (NFNL_SUBSYS_NFTABLES << 8) | type,
    flags: NLM_F_ACK | flags,
    header: nfgenmsg(NFPROTO_INET, 0),
  };
}

function batch(name: string, type: number): NetlinkMessage {
  const header = nfgenmsg(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
  return { name, type, flags: 0, header, attributes: [], byHand: [] };
}

const NFGENMSG_SIZE = 4;

/** struct nfgenmsg: family, version, resource (in network order). */
function nfgenmsg(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}
