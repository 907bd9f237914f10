/** What was asked of a network's addresses → its subnets, or what is wrong with them. */
import { AF_INET, AF_INET6 } from '../kernel/constants.ts';
import { TsrunError } from '../lib/errors.ts';
import {
  bitsOf,
  contains,
  type Family,
  formatAddress,
  formatCidr,
  type IpAddress,
  type IpNetwork,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from './ip-address.ts';
import type { Subnet } from './network.ts';
import { chooseSubnet, uniqueLocalSubnet } from './pools.ts';

/** As text, in the order given; a gateway or a range belongs to the subnet that contains it. */
export interface SubnetRequest {
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ranges: readonly string[];
  readonly ipv6: boolean;
}

export interface TakenNetwork {
  readonly network: IpNetwork;
  /** For the error message: `network front`, `an address of this host`. */
  readonly holder: string;
}

export interface Surroundings {
  /** What no subnet may overlap. */
  readonly taken: readonly TakenNetwork[];
  /** What a subnet that nobody asked for shall not overlap either: wherever the host has a route to. */
  readonly routes: readonly IpNetwork[];
  /** Five random bytes, for an IPv6 subnet. */
  readonly random: Uint8Array;
}

/** At most one of each family, as the bridge driver of Docker has them; IPv4 always. */
export function chooseSubnets(request: SubnetRequest, around: Surroundings): readonly Subnet[] {
  const asked = request.subnets.map(parseSubnet);
  for (const family of [AF_INET, AF_INET6] as const)
    if (asked.filter((network) => network.family === family).length > 1)
      throw refuse('--subnet', request.subnets.join(' and '), 'a bridge has one subnet of each family');
  for (const network of asked) checkFree(network, around.taken);
  const subnets = asked.map((network) => describe(network, request));
  checkAllUsed(asked, request);
  const has = (family: Family) => asked.some((network) => network.family === family);
  return [
    ...(has(AF_INET)
      ? []
      : [chooseSubnet([...around.taken.map(({ network }) => network), ...around.routes])]),
    ...subnets.toSorted((a, b) => Number(a.subnet.includes(':')) - Number(b.subnet.includes(':'))),
    ...(request.ipv6 && !has(AF_INET6) ? [uniqueLocalSubnet(around.random)] : []),
  ];
}

function parseSubnet(text: string): IpNetwork {
  const cidr = parseCidr(text);
  if (cidr === undefined)
    throw refuse('--subnet', text, 'it is no network such as 10.89.0.0/24 or fd00:89::/64');
  const { address, network } = cidr;
  if (address.value !== network.value)
    throw refuse('--subnet', text, 'bits behind the prefix are set', `the network is ${formatCidr(network)}`);
  if (network.prefix > bitsOf(network.family) - 2)
    throw refuse('--subnet', text, 'it has no room for a gateway and a container');
  return network;
}

function checkFree(network: IpNetwork, taken: readonly TakenNetwork[]): void {
  const other = taken.find((candidate) => overlaps(candidate.network, network));
  if (other === undefined) return;
  throw new TsrunError(
    'SUBNET_OVERLAP',
    `Cannot use the subnet ${formatCidr(network)}: it overlaps with ${formatCidr(other.network)}, ${other.holder}`,
    { hint: 'give another --subnet, or none: a free one is chosen', exitCode: 1 },
  );
}

function describe(network: IpNetwork, { gateways, ranges }: SubnetRequest): Subnet {
  const own = gateways.map(parseGateway).filter((gateway) => contains(network, gateway));
  const ownRanges = ranges.map(parseRange).filter((range) => overlaps(network, range));
  if (own.length > 1) throw refuse('--gateway', gateways.join(' and '), 'a subnet has one gateway');
  if (ownRanges.length > 1) throw refuse('--ip-range', ranges.join(' and '), 'a subnet has one range');
  const [gateway = { family: network.family, value: network.value + 1n }] = own;
  const [range] = ownRanges;
  if (gateway.value === network.value || gateway.value === lastAddress(network).value)
    throw refuse('--gateway', formatAddress(gateway), 'it does not stand for a single host');
  if (range !== undefined && range.prefix < network.prefix)
    throw refuse('--ip-range', formatCidr(range), `it is larger than the subnet ${formatCidr(network)}`);
  return {
    subnet: formatCidr(network),
    gateway: formatAddress(gateway),
    ...(range === undefined ? {} : { range: formatCidr(range) }),
  };
}

function checkAllUsed(subnets: readonly IpNetwork[], { gateways, ranges }: SubnetRequest): void {
  const lost = (address: IpAddress) => !subnets.some((subnet) => contains(subnet, address));
  const gateway = gateways.map(parseGateway).find(lost);
  const range = ranges.map(parseRange).find(lost);
  const hint = 'give the --subnet that contains it';
  if (gateway !== undefined)
    throw refuse('--gateway', formatAddress(gateway), 'no subnet given has this address', hint);
  if (range !== undefined)
    throw refuse('--ip-range', formatCidr(range), 'no subnet given has these addresses', hint);
}

function parseGateway(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === undefined) throw refuse('--gateway', text, 'it is no address');
  return address;
}

function parseRange(text: string): IpNetwork {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw refuse('--ip-range', text, 'it is no network such as 10.89.0.128/25');
  return cidr.network;
}

function refuse(flag: string, value: string, why: string, hint?: string): TsrunError {
  return new TsrunError(
    'BAD_SUBNET',
    `Cannot use ${flag} ${value}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}
