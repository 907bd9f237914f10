/** IP addresses and networks as numbers: read, written, counted. RFC 791, RFC 4291, RFC 4632; text as in RFC 5952. */
import { AF_INET, AF_INET6 } from '../kernel/constants.ts';
import type { Address } from '../kernel/rtnetlink.ts';

export type Family = Address['family'];

export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}

/** A network: `value` is its first address, `prefix` the bits that all of its addresses share. */
export interface IpNetwork extends IpAddress {
  readonly prefix: number;
}

/** Of an address of this family. */
export const bitsOf = (family: Family): number => (family === AF_INET ? 32 : 128);

/** Undefined when the text is no address. No scope (`%eth0`), no leading zeros, which inet_aton(3) takes for octal. */
export function parseAddress(text: string): IpAddress | undefined {
  const value = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  return value === undefined ? undefined : { family: text.includes(':') ? AF_INET6 : AF_INET, value };
}

/** Of text that was checked, or written by tsrun; any other is a bug. */
export function knownAddress(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/** `10.1.2.3/16` → the address and its network. Undefined when the text is no such thing. */
export function parseCidr(
  text: string,
): { readonly address: IpAddress; readonly network: IpNetwork } | undefined {
  const [, left = '', bits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseAddress(left);
  const prefix = Number(bits);
  if (address === undefined || prefix > bitsOf(address.family)) return undefined;
  return { address, network: networkOf(address, prefix) };
}

/** The network of an address whose first `prefix` bits are those of the network. */
export function networkOf({ family, value }: IpAddress, prefix: number): IpNetwork {
  const host = BigInt(bitsOf(family) - prefix);
  return { family, prefix, value: (value >> host) << host };
}

/** Its last address: the broadcast address of an IPv4 network. */
export function lastAddress({ family, value, prefix }: IpNetwork): IpAddress {
  return { family, value: value + (1n << BigInt(bitsOf(family) - prefix)) - 1n };
}

/** Whether the address is one of the network; never one of the other family. */
export function contains(network: IpNetwork, address: IpAddress): boolean {
  return network.family === address.family && networkOf(address, network.prefix).value === network.value;
}

/** Whether they share an address: of two networks, one holds the other or they share none. */
export function overlaps(a: IpNetwork, b: IpNetwork): boolean {
  return a.prefix <= b.prefix ? contains(a, b) : contains(b, a);
}

/** `10.1.0.0/16`. */
export function formatCidr(network: IpNetwork): string {
  return `${formatAddress(network)}/${network.prefix}`;
}

/** The one way to write an address: IPv6 by RFC 5952. */
export function formatAddress({ family, value }: IpAddress): string {
  if (family === AF_INET) return [...addressBytes({ family, value })].join('.');
  const words = Array.from({ length: 8 }, (_, i) =>
    Number((value >> BigInt(112 - i * 16)) & 0xffffn).toString(16),
  );
  const zeros = longestZeros(words);
  if (zeros.length < 2) return words.join(':');
  return `${words.slice(0, zeros.start).join(':')}::${words.slice(zeros.start + zeros.length).join(':')}`;
}

/** In network order, 4 or 16. */
export function addressBytes({ family, value }: IpAddress): Uint8Array {
  const length = bitsOf(family) / 8;
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt((length - 1 - i) * 8)) & 0xffn));
}

/** From its bytes in network order. */
export function addressOf(family: Family, bytes: Uint8Array): IpAddress {
  return { family, value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) };
}

/** As netlink messages take it. */
export function toAddress(address: IpAddress): Address {
  return { family: address.family, bytes: addressBytes(address), text: formatAddress(address) };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const [head = '', tail, more] = withoutDots(text).split('::');
  if (more !== undefined) return undefined;
  const left = parseWords(head);
  const right = tail === undefined ? [] : parseWords(tail);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...left, ...Array<number>(missing).fill(0), ...right].reduce(
    (value, word) => (value << 16n) | BigInt(word),
    0n,
  );
}

/** The last two words may be written as an IPv4 address. */
function withoutDots(text: string): string {
  const [, before = '', dotted = ''] = /^(.*:)([\d.]+)$/.exec(text) ?? [];
  const ipv4 = parseIpv4(dotted);
  return ipv4 === undefined
    ? text
    : `${before}${(ipv4 >> 16n).toString(16)}:${(ipv4 & 0xffffn).toString(16)}`;
}

function parseWords(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  return parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : undefined;
}

function longestZeros(words: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let length = 0;
    while (words[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
