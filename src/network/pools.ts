/** Subnets for networks that were made without one: ranges that are free on the host. */
import { AF_INET, AF_INET6 } from '../kernel/constants.ts';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { sendNetlink } from '../kernel/netlink-door.ts';
import { dumpAddresses, dumpRoutes, readAddresses, readRoutes } from '../kernel/rtnetlink.ts';
import { TsrunError } from '../lib/errors.ts';
import {
  addressOf,
  formatAddress,
  formatCidr,
  type IpNetwork,
  networkOf,
  overlaps,
  parseCidr,
} from './ip-address.ts';
import type { Subnet } from './network.ts';

/** Docker's pools: what is divided, and the size of a part. */
const POOLS: readonly { readonly from: string; readonly prefix: number }[] = [
  ...Array.from({ length: 15 }, (_, i) => ({ from: `172.${17 + i}.0.0/16`, prefix: 16 })),
  { from: '192.168.0.0/16', prefix: 20 },
  { from: '10.0.0.0/8', prefix: 16 },
];

/** The networks that interfaces of the host are on. */
export function readHostAddresses(): readonly IpNetwork[] {
  return readAddresses(ask(dumpAddresses)).flatMap(({ family, prefix, bytes }) =>
    known(family, prefix, bytes),
  );
}

/** The networks that the host has a way to; its default route is no such network. */
export function readHostRoutes(): readonly IpNetwork[] {
  return readRoutes(ask(dumpRoutes)).flatMap(({ family, prefix, destination }) =>
    known(family, prefix, destination),
  );
}

/** Of its interfaces and its routes, in this network namespace; the default routes are none. */
export function readHostNetworks(): readonly IpNetwork[] {
  return [...readHostAddresses(), ...readHostRoutes()];
}

function ask(message: typeof dumpRoutes) {
  return sendNetlink({ protocol: NETLINK_ROUTE }, [message], 'ask which networks the host knows');
}

function known(family: number, prefix: number, bytes: Uint8Array): readonly IpNetwork[] {
  if ((family !== AF_INET && family !== AF_INET6) || bytes.length === 0) return [];
  return [networkOf(addressOf(family, bytes), prefix)];
}

/** The first IPv4 subnet of the pools that overlaps none of `taken`. */
export function chooseSubnet(taken: readonly IpNetwork[]): Subnet {
  for (const { from, prefix } of POOLS) {
    const pool = parseCidr(from)?.network;
    if (pool === undefined) throw new Error(`${from} is no network`);
    const parts = 1n << BigInt(prefix - pool.prefix);
    for (let i = 0n; i < parts; i++) {
      const part = { family: pool.family, prefix, value: pool.value + (i << BigInt(32 - prefix)) };
      if (!taken.some((other) => overlaps(part, other))) return subnetOf(part);
    }
  }
  throw new TsrunError(
    'NO_SUBNET_LEFT',
    'Cannot find a subnet for a network: all of 172.17-31.0.0/16, 192.168.0.0/16 and 10.0.0.0/8 overlap with networks of this host',
    { hint: 'give one with --subnet, or remove networks that are not needed' },
  );
}

/** An IPv6 subnet that nobody else in the world is likely to have: RFC 4193, fd and 40 random bits, subnet 0. */
export function uniqueLocalSubnet(random: Uint8Array): Subnet {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(random.subarray(0, 5), 1);
  return subnetOf({ ...addressOf(AF_INET6, bytes), prefix: 64 });
}

/** The bridge has the first address. */
function subnetOf(network: IpNetwork): Subnet {
  return {
    subnet: formatCidr(network),
    gateway: formatAddress({ family: network.family, value: network.value + 1n }),
  };
}
