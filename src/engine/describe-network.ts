/** The network of a container as `docker inspect` shows it. */
import { AF_INET6 } from '../kernel/constants.ts';
import type { Endpoint, EndpointAddress } from '../network/endpoint.ts';
import { parseAddress } from '../network/ip-address.ts';
import type { NetworkMode } from './container-options.ts';
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

/** Addresses are there as long as the container runs. */
export function describeNetwork(
  paths: EnginePaths,
  { id, network: { mode }, ports }: ContainerRecord,
  state: ContainerState,
): Readonly<Record<string, unknown>> {
  const record = state.status === 'exited' ? undefined : readNetworkRecord(paths, id);
  const endpoints = record?.endpoints ?? [];
  const named = endpoints.map((endpoint) => [endpoint.network.name, endpointFields(endpoint)] as const);
  const without = mode.kind === 'container' ? [] : [[networkModeText(mode), NO_ENDPOINT] as const];
  const onDefault = endpoints.find(({ network }) => network.name === 'bridge');
  const { NetworkID: _, ...own } = onDefault === undefined ? NO_ENDPOINT : endpointFields(onDefault);
  return {
    SandboxKey: state.status === 'running' ? `/proc/${state.process.pid}/ns/net` : '',
    Ports: describePorts(ports.exposed, record?.ports ?? []),
    ...own,
    Networks: Object.fromEntries(named.length === 0 ? without : named),
  };
}

const NO_ENDPOINT: ReturnType<typeof endpointFields> = {
  MacAddress: '',
  NetworkID: '',
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
};

function endpointFields({ network, mac, addresses }: Endpoint) {
  const ofFamily = (ipv6: boolean) =>
    addresses.find(({ address }) => (parseAddress(address)?.family === AF_INET6) === ipv6);
  const ipv4 = ofFamily(false);
  const ipv6 = ofFamily(true);
  const gateway = (address: EndpointAddress | undefined) =>
    network.internal ? '' : (address?.gateway ?? '');
  return {
    MacAddress: mac,
    NetworkID: network.id,
    Gateway: gateway(ipv4),
    IPAddress: ipv4?.address ?? '',
    IPPrefixLen: ipv4?.prefix ?? 0,
    IPv6Gateway: gateway(ipv6),
    GlobalIPv6Address: ipv6?.address ?? '',
    GlobalIPv6PrefixLen: ipv6?.prefix ?? 0,
  };
}
