/** A container's places on networks: addresses are chosen and taken before its plan is made, and given back after its end. */
import { rmdirSync, unlinkSync } from 'node:fs';
import { AF_INET6 } from '../kernel/constants.ts';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { refusalOf, sendNetlink } from '../kernel/netlink-door.ts';
import { deleteLink } from '../kernel/rtnetlink.ts';
import type { ContainerId, HostPath } from '../lib/brands.ts';
import { hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import {
  type Endpoint,
  type EndpointAddress,
  type EndpointOptions,
  macOf,
  outsideEnd,
} from '../network/endpoint.ts';
import {
  type Family,
  formatAddress,
  type IpAddress,
  parseAddress,
  parseCidr,
} from '../network/ip-address.ts';
import type { Ipv6Host } from '../network/ipv6-host.ts';
import {
  chooseAddress,
  leasesDirectory,
  networkLeases,
  prepareLease,
  releaseLeases,
} from '../network/leases.ts';
import type { Network } from '../network/network.ts';
import { chooseUpstreams, type DnsInput } from '../network/plan-dns.ts';
import { type NetworkInput, type NetworkPlan, planNetwork } from '../network/plan-network.ts';
import type { RulesInput } from '../network/plan-rules.ts';
import { readRulesHost } from '../network/rules-host.ts';
import type { PortChoice } from './choose-ports.ts';
import type { NetworkPlace } from './container-options.ts';
import { publishPorts, recordedElements, unpublishPorts } from './container-ports.ts';
import {
  joinedMark,
  leaseSource,
  listNetworkRecords,
  networkRecordFile,
  readNetworkRecord,
  writeNetworkRecord,
} from './network-record.ts';
import {
  DEFAULT_NETWORK,
  defaultNetwork,
  draftDefaultNetwork,
  listNetworks,
  matchNetwork,
  noSuchNetwork,
  readNetwork,
} from './network-store.ts';
import type { EnginePaths } from './paths.ts';

/** Who comes to a network. */
export interface Connected {
  readonly id: ContainerId;
  readonly name: string;
  readonly hostname: string;
  readonly ipv6: Ipv6Host;
  /** Take the addresses, or only look which ones are free. */
  readonly take: boolean;
}

/** A container that starts. */
export interface Starting extends Connected {
  /** At least one. */
  readonly places: readonly NetworkPlace[];
  /** The resolvers that were asked for. */
  readonly resolvers: readonly string[];
  readonly ports: PortChoice;
}

/** What a start makes of its network. */
export interface Connection {
  readonly endpoints: readonly Endpoint[];
  readonly plan: NetworkPlan;
  /** What the user should know, a sentence each. */
  readonly warnings: readonly string[];
}

/** Places a container that starts. Throws NO_SUCH_NETWORK, or what is wrong with an address or a port. */
export function connectContainer(paths: EnginePaths, starting: Starting): Connection {
  const input = chooseNetwork(paths, starting);
  return {
    endpoints: input.endpoints,
    plan: planNetwork(input, starting.ipv6),
    warnings: warningsOf(input.rules),
  };
}

function warningsOf({ host, ports }: RulesInput): readonly string[] {
  if (host.nftables) return [];
  const means = 'nothing outside is reached from the container, and networks are not kept apart';
  const passedOn = ports.length === 0 ? '' : '; a process passes on what arrives at published ports';
  return [`this kernel has no nftables for us (${host.reason}): ${means}${passedOn}`];
}

function chooseNetwork(paths: EnginePaths, starting: Starting): NetworkInput {
  const { id, take, resolvers } = starting;
  const endpoints = chooseEndpoints(paths, starting);
  const rules = chooseRules(paths, starting.name, starting.ports, endpoints);
  const named = endpoints.filter(({ network }) => !network.isDefault);
  const dns = named.length > 0;
  if (take) {
    const { container, ports, host } = rules;
    writeNetworkRecord(paths, id, { endpoints, container, ports, proxied: !host.nftables, dns });
  }
  const leases = endpoints.map((endpoint, nth) => ({
    files: leaseFiles(paths, endpoint),
    source: leaseSource(paths, id, nth),
  }));
  const records = [...leases.map(({ source }) => source), networkRecordFile(paths, id)];
  const removed = named.find(({ network }) => take && readNetwork(paths, network.name)?.id !== network.id);
  if (removed !== undefined) throw removedMeanwhile(paths, id, removed.network);
  const input = { endpoints, records, leases, rules };
  return dns ? { ...input, dns: chooseDns(paths, { id, resolvers }, endpoints, rules.host.nftables) } : input;
}

function chooseEndpoints(paths: EnginePaths, starting: Starting): readonly Endpoint[] {
  const places = starting.places.map((asked) => ({
    asked,
    network: findNetwork(paths, asked.network, starting.take),
  }));
  // By name and by id, it may be the same one.
  const twice = places.find(
    ({ network }, i) => places.findIndex((place) => place.network.id === network.id) < i,
  );
  if (twice !== undefined)
    throw new TsrunError('NETWORK_TWICE', `Cannot use network ${twice.network.name} twice`, {
      hint: 'give each network once; more names on it are aliases',
    });
  return places.map(({ network, asked }, nth) => chooseEndpoint(paths, starting, network, asked, nth));
}

/** The DNS server of a container on these networks. */
export function chooseDns(
  paths: EnginePaths,
  { id, resolvers }: Pick<Starting, 'id' | 'resolvers'>,
  endpoints: readonly Endpoint[],
  nftables: boolean,
): DnsInput {
  const host = readFileIfThere('/etc/resolv.conf') ?? '';
  const internal = endpoints.every(({ network }) => network.internal);
  return {
    leases: leasesDirectory(paths.runRoot),
    containerId: id,
    upstreams: chooseUpstreams(resolvers, host, internal),
    nftables,
  };
}

/** The files that hold its addresses. */
export function leaseFiles(paths: EnginePaths, { network, addresses }: Endpoint): readonly HostPath[] {
  return addresses.map(({ address }) => hostPath(`${networkLeases(paths.runRoot, network)}/${address}`));
}

function chooseRules(
  paths: EnginePaths,
  container: string,
  ports: PortChoice,
  endpoints: readonly Endpoint[],
): RulesInput {
  // Ports lead to the network that the default route leaves by.
  const published = endpoints.find(({ network }) => !network.internal) ?? endpoints[0];
  if (published === undefined) throw new Error(`container ${container} is on no network`);
  const host = readRulesHost();
  const publishes = ports.requests.length + ports.all.length > 0;
  const makesTable = host.nftables && host.rules !== 'current';
  const others = publishes || makesTable ? listNetworkRecords(paths) : [];
  return {
    host,
    container,
    networks: endpoints.map(({ network }) => network),
    ports: publishPorts(ports, published, others),
    cables: [published.outside.name],
    others: others.flatMap(recordedElements),
  };
}

/** removeNetwork says who looks first. What this process made again of the network goes. */
function removedMeanwhile(paths: EnginePaths, id: ContainerId, network: Endpoint['network']): TsrunError {
  releaseLeases(paths.runRoot, id);
  try {
    rmdirSync(networkLeases(paths.runRoot, network));
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'ENOENT') throw error;
  }
  return noSuchNetwork(network.name);
}

/** For a container that nobody looks after: what its helper would have given back, and what that one does not know. */
export function disconnectContainer(paths: EnginePaths, id: ContainerId): void {
  const record = readNetworkRecord(paths, id);
  if (record !== undefined) unpublishPorts(record);
  for (const endpoint of record?.endpoints ?? []) pullCable(endpoint);
  releaseLeases(paths.runRoot, id);
  // The source goes last: should this process be killed before, the next one begins again.
  for (const file of [networkRecordFile, leaseSource, joinedMark]) removeIfThere(file(paths, id));
}

/**
 * The kernel does it when the namespace goes. But that takes a moment, and never happens while another container shares the
 * namespace: until then it would answer for an address that is given to somebody else.
 */
export function pullCable({ outside }: Endpoint): void {
  try {
    sendNetlink({ protocol: NETLINK_ROUTE }, [deleteLink(outside.name)], `remove the link ${outside.name}`);
  } catch (error) {
    if (refusalOf(error) !== 'ENODEV') throw error;
  }
}

function findNetwork(paths: EnginePaths, name: string, make: boolean): Network {
  if (name === DEFAULT_NETWORK && make) return defaultNetwork(paths);
  const network = readNetwork(paths, name);
  if (network !== undefined) return network;
  if (name === DEFAULT_NETWORK) return draftDefaultNetwork(paths);
  const found = matchNetwork(listNetworks(paths), name);
  if (found === undefined) throw noSuchNetwork(name);
  return found;
}

/** A place on the network: takes an address of each of its subnets that the host can use. Throws BAD_ADDRESS, ADDRESS_IN_USE, NO_IPV6 … */
export function chooseEndpoint(
  paths: EnginePaths,
  { id, name, hostname, ipv6, take }: Connected,
  network: Network,
  { ip, ip6, macAddress, aliases }: EndpointOptions,
  nth: number,
): Endpoint {
  const names = [...new Set([name, ...aliases, id.slice(0, 12), hostname])];
  const source = take ? leaseSource(paths, id, nth) : undefined;
  if (source !== undefined)
    prepareLease(paths.runRoot, network, source, {
      containerId: id,
      network: network.isDefault ? '' : network.name,
      names,
    });
  const subnets = network.subnets.map((subnet) => ({ subnet, family: familyOf(subnet.subnet) }));
  const usable = subnets.filter(({ family }) => family !== AF_INET6 || ipv6.available);
  checkAsked(
    network,
    [ip, ip6],
    usable.map(({ family }) => family),
  );
  const addresses = usable.map(({ subnet, family }) => {
    const asked = family === AF_INET6 ? ip6 : ip;
    return { subnet, address: chooseAddress(paths.runRoot, network, subnet, asked, source) };
  });
  const [first] = addresses;
  if (first === undefined)
    throw new TsrunError(
      'NO_IPV6',
      `Cannot use network ${network.name}: it has IPv6 only, and this host has none`,
    );
  return {
    network: {
      id: network.id,
      name: network.name,
      bridge: network.bridge,
      internal: network.internal,
      isDefault: network.isDefault,
      ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
    },
    inside: `eth${nth}`,
    outside: outsideEnd(id, nth),
    mac: macAddress ?? macOf(first.address),
    addresses: addresses.map(({ subnet, address }) => endpointAddress(address, subnet)),
    asked: {
      aliases,
      ...(ip === undefined ? {} : { ip }),
      ...(ip6 === undefined ? {} : { ip6 }),
      ...(macAddress === undefined ? {} : { macAddress }),
    },
    names,
  };
}

function endpointAddress(
  address: IpAddress,
  { subnet, gateway }: Network['subnets'][number],
): EndpointAddress {
  return { address: formatAddress(address), prefix: Number(subnet.split('/')[1]), gateway };
}

function checkAsked(
  network: Network,
  asked: readonly (string | undefined)[],
  families: readonly Family[],
): void {
  for (const text of asked) {
    const address = text === undefined ? undefined : parseAddress(text);
    if (address === undefined || families.includes(address.family)) continue;
    throw new TsrunError(
      'BAD_ADDRESS',
      `Cannot use the address ${text} on network ${network.name}: it has no subnet of this kind here`,
    );
  }
}

function familyOf(subnet: string): Family {
  const network = parseCidr(subnet)?.network;
  if (network === undefined) throw new Error(`${subnet} is no subnet`);
  return network.family;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
