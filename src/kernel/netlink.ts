/**
 * Netlink messages as data: named as in the kernel's headers, so that one message can be sent, printed and explained.
 * netlink(7). What is in them is said by the modules that make them: rtnetlink.ts for links, addresses and routes.
 */
import type { FdName } from './ops.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** Only make what is not there: EEXIST otherwise. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_DUMP = 0x300;

const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
/** struct nlmsghdr: length, type, flags, sequence number, port. */
const MESSAGE_HEADER_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
/** Before the messages of an encoded request: where a descriptor's number goes (0: nowhere), and which one of the plan. */
export const REQUEST_PREFIX_SIZE = 8;

/** Numbers are the host's order, `be` ones the network's. Text ends with a NUL. */
export type AttributeValue =
  | { readonly text: string }
  | { readonly u8: number }
  | { readonly u16: number }
  | { readonly u32: number }
  | { readonly be16: number }
  | { readonly be32: number }
  | { readonly be64: number }
  /** `shown` is how a reader knows these bytes: an address. */
  | { readonly bytes: Uint8Array; readonly shown?: string }
  /** The number of a descriptor of the plan, known only when it runs. One in a request. */
  | { readonly fd: FdName }
  /** `header`: a fixed part before the nested ones (VETH_INFO_PEER begins with an ifinfomsg). */
  | { readonly header?: Uint8Array; readonly nested: readonly Attribute[] };

export interface Attribute {
  /** Its name in the kernel's headers: IFLA_IFNAME. */
  readonly name: string;
  readonly type: number;
  readonly value: AttributeValue;
}

export interface NetlinkMessage {
  /** Its name in the kernel's headers: RTM_NEWLINK. */
  readonly name: string;
  readonly type: number;
  /** NLM_F_* beyond NLM_F_REQUEST. Only a message with NLM_F_ACK is answered. */
  readonly flags: number;
  /** The fixed part that this type of message begins with: ifinfomsg, rtmsg, nfgenmsg … */
  readonly header: Uint8Array;
  /** What of the fixed part is worth reading: `{ ifi_index: 3 }`. */
  readonly shown?: Readonly<Record<string, string | number>>;
  readonly attributes: readonly Attribute[];
  /** The words of the command of ip(8) or nft(8) that does the same; none for a message that only frames others. */
  readonly byHand: readonly string[];
}

export type NetlinkRequest = readonly NetlinkMessage[];

export interface EncodedRequest {
  readonly bytes: Buffer;
  /** Where in `bytes` the number of the descriptor `name` has to be written. */
  readonly fd?: { readonly at: number; readonly name: FdName };
}

/** All messages in one buffer; the sequence number of each is its place, counted from 1. */
export function encodeRequest(request: NetlinkRequest): EncodedRequest {
  const writer = new Writer();
  request.forEach((message, i) => {
    writer.message(message, i + 1);
  });
  const bytes = writer.finish();
  return writer.fd === undefined ? { bytes } : { bytes, fd: writer.fd };
}

class Writer {
  #bytes = Buffer.alloc(4096);
  #end = 0;
  fd: { readonly at: number; readonly name: FdName } | undefined;

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  message({ type, flags, header, attributes }: NetlinkMessage, sequence: number): void {
    const start = this.#reserve(MESSAGE_HEADER_SIZE);
    this.#bytes.writeUInt16LE(type, start + 4);
    this.#bytes.writeUInt16LE(flags | NLM_F_REQUEST, start + 6);
    this.#bytes.writeUInt32LE(sequence, start + 8);
    this.#raw(header);
    for (const attribute of attributes) this.#attribute(attribute);
    this.#bytes.writeUInt32LE(this.#end - start, start);
  }

  #attribute({ type, value }: Attribute): void {
    const start = this.#reserve(ATTRIBUTE_HEADER_SIZE);
    const length = this.#value(value);
    this.#bytes.writeUInt16LE(length, start);
    this.#bytes.writeUInt16LE('nested' in value ? type | NLA_F_NESTED : type, start + 2);
  }

  /** The length to write into the attribute's header, which leaves out the padding behind it. */
  #value(value: AttributeValue): number {
    const start = this.#end - ATTRIBUTE_HEADER_SIZE;
    if ('nested' in value) {
      if (value.header !== undefined) this.#raw(value.header);
      for (const attribute of value.nested) this.#attribute(attribute);
      return this.#end - start;
    }
    const bytes = this.#plain(value);
    this.#raw(bytes);
    return ATTRIBUTE_HEADER_SIZE + bytes.length;
  }

  #plain(value: Exclude<AttributeValue, { nested: unknown }>): Uint8Array {
    if ('text' in value) return Buffer.from(`${value.text}\0`);
    if ('bytes' in value) return value.bytes;
    if ('u8' in value) return Uint8Array.of(value.u8);
    if ('fd' in value) {
      if (this.fd !== undefined) throw new Error('a netlink request can name one descriptor');
      this.fd = { at: this.#end, name: value.fd };
      return new Uint8Array(4);
    }
    const number = Buffer.alloc(8);
    if ('u16' in value) return number.subarray(0, number.writeUInt16LE(value.u16));
    if ('u32' in value) return number.subarray(0, number.writeUInt32LE(value.u32));
    if ('be16' in value) return number.subarray(0, number.writeUInt16BE(value.be16));
    if ('be32' in value) return number.subarray(0, number.writeUInt32BE(value.be32));
    return number.subarray(0, number.writeBigUInt64BE(BigInt(value.be64)));
  }

  #raw(bytes: Uint8Array): void {
    const start = this.#reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  /** Room for `size` bytes of zeros; the next one begins on a multiple of 4 (NLMSG_ALIGN, NLA_ALIGN). */
  #reserve(size: number): number {
    const start = this.#end;
    this.#end += (size + 3) & ~3;
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.alloc(this.#end * 2);
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }
}

/** One line a message: `RTM_NEWLINK ifi_index=3 IFLA_MASTER=2`. */
export function describeMessage({ name, flags, shown, attributes }: NetlinkMessage): string {
  // NLM_F_EXCL is a bit of NLM_F_DUMP, which asks and makes nothing.
  const dump = (flags & (NLM_F_DUMP | NLM_F_CREATE)) === NLM_F_DUMP;
  const shownFlags = dump ? ['NLM_F_DUMP'] : flags & NLM_F_EXCL ? ['NLM_F_EXCL'] : [];
  const header = Object.entries(shown ?? {}).map(([field, value]) => `${field}=${value}`);
  return [name, ...shownFlags, ...header, ...attributes.map(describeAttribute)].join(' ');
}

function describeAttribute({ name, value }: Attribute): string {
  if ('nested' in value) return `${name}={${value.nested.map(describeAttribute).join(' ')}}`;
  if ('text' in value) return `${name}=${JSON.stringify(value.text)}`;
  if ('bytes' in value) return `${name}=${value.shown ?? Buffer.from(value.bytes).toString('hex')}`;
  return `${name}=${Object.values(value)[0]}`;
}

/** One message of an answer. */
export interface NetlinkReply {
  readonly type: number;
  /** What follows nlmsghdr. */
  readonly payload: Buffer;
}

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** The messages of an answer, without acks and ends. */
export function decodeReplies(bytes: Buffer): NetlinkReply[] {
  const replies: NetlinkReply[] = [];
  for (let at = 0; at + MESSAGE_HEADER_SIZE <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < MESSAGE_HEADER_SIZE || at + length > bytes.length) break;
    const type = bytes.readUInt16LE(at + 4);
    if (type !== NLMSG_ERROR && type !== NLMSG_DONE)
      replies.push({ type, payload: bytes.subarray(at + MESSAGE_HEADER_SIZE, at + length) });
    at += (length + 3) & ~3;
  }
  return replies;
}

/** The attributes in `bytes`, by type; of equal ones the last. Nested ones are read by calling this again. */
export function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + ATTRIBUTE_HEADER_SIZE <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > bytes.length) break;
    found.set(
      bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK,
      bytes.subarray(at + ATTRIBUTE_HEADER_SIZE, at + length),
    );
    at += (length + 3) & ~3;
  }
  return found;
}
