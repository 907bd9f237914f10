/** A network as `docker network inspect` shows it. */
import type { Network } from '../network/network.ts';
import { listContainers } from './container-store.ts';
import { endpointId } from './describe-network.ts';
import { readNetworkRecord } from './network-record.ts';
import type { AnyNetwork } from './networks.ts';
import type { EnginePaths } from './paths.ts';

/** Its fields are Docker's. */
export type NetworkDescription = Readonly<Record<string, unknown>>;

/** `Containers` are those that run. */
export function inspectNetwork(
  paths: EnginePaths,
  { id, name, driver, network }: AnyNetwork,
): NetworkDescription {
  return {
    Name: name,
    Id: id,
    Created: network?.created ?? '',
    Scope: 'local',
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: network?.subnets.some(({ subnet }) => subnet.includes(':')) ?? false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: (network?.subnets ?? []).map(({ subnet, gateway, range }) => ({
        Subnet: subnet,
        ...(range === undefined ? {} : { IPRange: range }),
        Gateway: gateway,
      })),
    },
    Internal: network?.internal ?? false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: network === undefined ? {} : containersOn(paths, network),
    Options:
      network === undefined ? {} : { ...network.options, 'com.docker.network.bridge.name': network.bridge },
    Labels: network?.labels ?? {},
  };
}

function containersOn(paths: EnginePaths, network: Network): Readonly<Record<string, object>> {
  const running = listContainers(paths).filter(({ state }) => state.status === 'running');
  return Object.fromEntries(
    running.flatMap(({ record }) => {
      const endpoint = readNetworkRecord(paths, record.id)?.endpoints.find(
        (candidate) => candidate.network.id === network.id,
      );
      if (endpoint === undefined) return [];
      const address = (ipv6: boolean) => {
        const found = endpoint.addresses.find((candidate) => candidate.address.includes(':') === ipv6);
        return found === undefined ? '' : `${found.address}/${found.prefix}`;
      };
      const fields = {
        Name: record.name,
        EndpointID: endpointId(record.id, network.id),
        MacAddress: endpoint.mac,
        IPv4Address: address(false),
        IPv6Address: address(true),
      };
      return [[record.id, fields] as const];
    }),
  );
}
