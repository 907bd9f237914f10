/** A container's place on a network, and the numbers and names of the links that lead to it. */
import { addressBytes, type IpAddress } from './ip-address.ts';
import type { Network } from './network.ts';

export interface EndpointAddress {
  readonly address: string;
  /** Bits of the network's part. */
  readonly prefix: number;
  /** The address of the bridge. */
  readonly gateway: string;
}

/** What can be asked of a place on a network. */
export interface EndpointOptions {
  readonly ip?: string;
  readonly ip6?: string;
  readonly macAddress?: string;
  /** More names on the network. */
  readonly aliases: readonly string[];
}

/** A cable from the container's network namespace to the bridge of a network. */
export interface Endpoint {
  readonly network: Pick<Network, 'id' | 'name' | 'bridge' | 'internal' | 'mtu' | 'isDefault'>;
  /** The name of the end in the container: eth0. */
  readonly inside: string;
  /** The end at the bridge. */
  readonly outside: { readonly name: string; readonly index: number };
  readonly mac: string;
  /** Up to one of each family. */
  readonly addresses: readonly EndpointAddress[];
  readonly asked: EndpointOptions;
  /** By which others find it: its own, aliases, short id and host name, each once. On the default network nobody asks. */
  readonly names: readonly string[];
}

/** Far above what the kernel counts up to, so that no other link has the number; all of ours are less than 2^31. */
const FIRST_BRIDGE_INDEX = 2 ** 28;
const FIRST_OUTSIDE_INDEX = 2 ** 29;
/** Kernels with tunnels built in put some into every new namespace, with the numbers from 2 on. */
const FIRST_INSIDE_INDEX = 100;

/** The interface number of a network's bridge, made from the network's id. */
export function bridgeIndex(network: Pick<Network, 'id'>): number {
  return FIRST_BRIDGE_INDEX + Number.parseInt(network.id.slice(0, 7), 16);
}

/** The interface number of the `nth` endpoint inside. */
export const insideIndex = (nth: number): number => FIRST_INSIDE_INDEX + nth;

/**
 * The `nth` endpoint's end at the bridge. Its name has up to 15 bytes (IFNAMSIZ). veth takes a number for the end inside only
 * together with one for this end: 30 random bits of the container's id, different ones for each endpoint.
 */
export function outsideEnd(containerId: string, nth: number): Endpoint['outside'] {
  const at = ((nth * 8) % 64) + (nth >> 3);
  const bits = Number.parseInt(`${containerId}${containerId}`.slice(at, at + 8), 16) >>> 2;
  const suffix = nth === 0 ? '' : `.${nth}`;
  return {
    name: `tsr${containerId.slice(0, 12 - suffix.length)}${suffix}`,
    index: FIRST_OUTSIDE_INDEX + bits,
  };
}

/**
 * The hardware address that goes with an IPv4 address, as Docker's: 02:42 and its bytes. Who has the address next has this
 * one too, so what others remember of it stays right. Of an IPv6 address, the last four bytes.
 */
export function macOf(address: IpAddress): string {
  const bytes = [0x02, 0x42, ...addressBytes(address).slice(-4)];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The six bytes of an address that is written in hexadecimal with colons; undefined when it is none, or one of many hosts. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const bytes = Uint8Array.from(text.split(/[:-]/), (part) => Number.parseInt(part, 16));
  const [first = 0] = bytes;
  return (first & 1) === 1 || bytes.every((byte) => byte === 0) ? undefined : bytes;
}
