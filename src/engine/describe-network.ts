/** The network of a container as `docker inspect` shows it. */
import { createHash } from 'node:crypto';
import { AF_INET6 } from '../kernel/constants.ts';
import type { Endpoint, EndpointAddress, EndpointOptions } from '../network/endpoint.ts';
import { parseAddress } from '../network/ip-address.ts';
import type { NetworkMode, NetworkOptions } from './container-options.ts';
import type { ContainerRecord, ContainerState } from './container-record.ts';
import { describePorts } from './describe-ports.ts';
import { readNetworkRecord } from './network-record.ts';
import type { EnginePaths } from './paths.ts';

/** As `--network` takes it. */
export function networkModeText(mode: NetworkMode): string {
  switch (mode.kind) {
    case 'container':
      return `container:${mode.container}`;
    case 'network':
      return mode.name;
    default:
      return mode.kind;
  }
}

/** Addresses are there as long as the container runs. The fields are Docker's. */
export function describeNetwork(
  paths: EnginePaths,
  { id, network, ports }: ContainerRecord,
  state: ContainerState,
): Readonly<Record<string, unknown>> {
  const record = state.status === 'exited' ? undefined : readNetworkRecord(paths, id);
  const endpoints = record?.endpoints ?? [];
  const named = endpoints.map((endpoint) => [endpoint.network.name, endpointFields(id, endpoint)] as const);
  const onDefault = endpoints.find(({ network }) => network.isDefault);
  return {
    SandboxKey: state.status === 'running' ? `/proc/${state.process.pid}/ns/net` : '',
    Ports: describePorts(ports.exposed, record?.ports ?? []),
    EndpointID: onDefault === undefined ? '' : endpointId(id, onDefault.network.id),
    ...addressFields(onDefault),
    Networks: Object.fromEntries(named.length === 0 ? askedFields(network) : named),
  };
}

/** Docker draws a number for each start; this one is the same for the same container and network. */
export function endpointId(container: string, network: string): string {
  return createHash('sha256').update(`tsrun endpoint ${container} ${network}`).digest('hex');
}

/** Of a container that does not run, or has no address of its own. */
function askedFields({ mode, more, ...first }: NetworkOptions) {
  if (mode.kind === 'container') return [];
  const places = [{ ...first, network: networkModeText(mode) }, ...more];
  return places.map((asked) => [asked.network, networkFields(asked, [], '', '', undefined)] as const);
}

function endpointFields(container: string, endpoint: Endpoint) {
  const { network, asked, names } = endpoint;
  return networkFields(
    asked,
    network.isDefault ? [] : names,
    network.id,
    endpointId(container, network.id),
    endpoint,
  );
}

/** Docker says null where there is none. */
function networkFields(
  { ip, ip6, aliases }: EndpointOptions,
  names: readonly string[],
  network: string,
  endpoint: string,
  addressed: Endpoint | undefined,
) {
  const wanted = {
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
  };
  return {
    IPAMConfig: Object.keys(wanted).length === 0 ? null : wanted,
    Links: null,
    Aliases: aliases.length === 0 ? null : aliases,
    DriverOpts: null,
    NetworkID: network,
    EndpointID: endpoint,
    ...addressFields(addressed),
    DNSNames: names.length === 0 ? null : names,
  };
}

function addressFields(endpoint: Endpoint | undefined) {
  const ofFamily = (ipv6: boolean) =>
    endpoint?.addresses.find(({ address }) => (parseAddress(address)?.family === AF_INET6) === ipv6);
  const ipv4 = ofFamily(false);
  const ipv6 = ofFamily(true);
  const gateway = (address: EndpointAddress | undefined) =>
    endpoint?.network.internal === false ? (address?.gateway ?? '') : '';
  return {
    MacAddress: endpoint?.mac ?? '',
    Gateway: gateway(ipv4),
    IPAddress: ipv4?.address ?? '',
    IPPrefixLen: ipv4?.prefix ?? 0,
    IPv6Gateway: gateway(ipv6),
    GlobalIPv6Address: ipv6?.address ?? '',
    GlobalIPv6PrefixLen: ipv6?.prefix ?? 0,
  };
}
