/** `network connect` and `disconnect`: the cables of a container that runs. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { refusalOf, sendNetlink } from '../kernel/netlink-door.ts';
import { realDoor } from '../kernel/real-door.ts';
import { setLinkUp } from '../kernel/rtnetlink.ts';
import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import { addressMessage, cableMessage, forwardingMessages, waysOut } from '../network/cable.ts';
import type { Endpoint, EndpointOptions } from '../network/endpoint.ts';
import { readIpv6Host } from '../network/ipv6-host.ts';
import { parseLease } from '../network/lease-format.ts';
import type { Network } from '../network/network.ts';
import { planLateDns } from '../network/plan-dns.ts';
import type { PortBinding } from '../network/published-port.ts';
import { makeNetworkRules, readRulesHost } from '../network/rules-host.ts';
import { launch } from '../runtime/launch.ts';
import { rewriteResolvConf } from './container-files.ts';
import { chooseDns, chooseEndpoint, leaseFiles, pullCable } from './container-network.ts';
import { recordedElements, unpublishPorts } from './container-ports.ts';
import type { Container } from './container-store.ts';
import { ensureBridge } from './network-bridge.ts';
import {
  joinedMark,
  listNetworkRecords,
  type NetworkRecord,
  readNetworkRecord,
  writeNetworkRecord,
} from './network-record.ts';
import { lockNetworks } from './network-store.ts';
import { containerDir, type EnginePaths } from './paths.ts';

/** What `network connect` can ask for. */
export type JoinOptions = Omit<EndpointOptions, 'macAddress'>;

/** Throws ALREADY_CONNECTED, CANNOT_CONNECT, or what is wrong with an address; the container is as before then. */
export function joinNetwork(
  paths: EnginePaths,
  container: Container,
  network: Network,
  options: JoinOptions,
): void {
  const { record } = container;
  const netns = ownNamespace(container, 'connect');
  using _locked = lockNetworks(paths);
  const before = readNetworkRecord(paths, record.id) ?? noNetwork(record.name);
  const { endpoints } = before;
  if (endpoints.some((endpoint) => endpoint.network.id === network.id))
    throw new TsrunError(
      'ALREADY_CONNECTED',
      `Cannot connect container ${record.name}: it is on network ${network.name} already`,
      { exitCode: 1 },
    );
  // Before the first lease: should this process be killed, the next command finds what it left.
  writeFileSync(joinedMark(paths, record.id), '');
  const endpoint = chooseEndpoint(
    paths,
    {
      id: record.id,
      name: record.name,
      hostname: record.spec.hostname ?? '',
      ipv6: readIpv6Host(),
      take: true,
    },
    network,
    options,
    freeNumber(endpoints),
  );
  try {
    makeNetworkRules(network, listNetworkRecords(paths).flatMap(recordedElements));
    ensureBridge(network);
    plugIn(endpoint, netns);
    const joined = [...endpoints, endpoint];
    const dns = before.dns || !network.isDefault;
    writeNetworkRecord(paths, record.id, { ...before, endpoints: joined, dns });
    setWaysOut(joined, netns);
    if (dns && !before.dns) startDns(paths, container, joined);
    rewriteResolvConf(containerDir(paths, record.id), record.network, joined);
  } catch (error) {
    unplug(paths, record.id, endpoint);
    writeNetworkRecord(paths, record.id, before);
    throw error;
  }
}

/** For a container that was started without one: on the default network nobody is found by name. */
function startDns(
  paths: EnginePaths,
  { record, state }: Container,
  endpoints: NetworkRecord['endpoints'],
): void {
  if (state.status !== 'running') throw new Error(`container ${record.name} does not run`);
  const asked = { id: record.id, resolvers: record.network.dns };
  const dns = chooseDns(paths, asked, endpoints, readRulesHost().nftables);
  launch(planLateDns(dns, state.process), realDoor, `Cannot start a DNS server for container ${record.name}`);
}

/** Ports that are published on the network go too. Throws NOT_CONNECTED or CANNOT_CONNECT. */
export function leaveNetwork(paths: EnginePaths, container: Container, network: Network): void {
  const { record } = container;
  const netns = ownNamespace(container, 'disconnect');
  using _locked = lockNetworks(paths);
  const before = readNetworkRecord(paths, record.id) ?? noNetwork(record.name);
  const { endpoints } = before;
  const endpoint = endpoints.find((candidate) => candidate.network.id === network.id);
  if (endpoint === undefined)
    throw new TsrunError(
      'NOT_CONNECTED',
      `Cannot disconnect container ${record.name}: it is not on network ${network.name}`,
      { exitCode: 1 },
    );
  const others = endpoints.filter((candidate) => candidate !== endpoint);
  const leadHere = ({ target }: PortBinding) => endpoint.addresses.some(({ address }) => address === target);
  unpublishPorts({ ...before, ports: before.ports.filter(leadHere) });
  unplug(paths, record.id, endpoint);
  const ports = before.ports.filter((port) => !leadHere(port));
  writeNetworkRecord(paths, record.id, { ...before, ports, endpoints: others });
  setWaysOut(others, netns);
  rewriteResolvConf(containerDir(paths, record.id), record.network, others);
}

const noNetwork = (container: string): NetworkRecord => ({
  endpoints: [],
  container,
  ports: [],
  proxied: false,
  dns: false,
});

/** The file of the container's network namespace, which must be its own. */
function ownNamespace({ record, state }: Container, verb: string): string {
  const refuse = (why: string) =>
    new TsrunError('CANNOT_CONNECT', `Cannot ${verb} container ${record.name}: ${why}`, { exitCode: 1 });
  if (state.status !== 'running') throw refuse('it is not running');
  const { kind } = record.network.mode;
  if (kind === 'host') throw refuse("it is on the host's network");
  if (kind === 'container') throw refuse('it shares the network of another container');
  return `/proc/${state.process.pid}/ns/net`;
}

function freeNumber(endpoints: readonly Endpoint[]): number {
  for (let nth = 0; ; nth++) if (!endpoints.some(({ inside }) => inside === `eth${nth}`)) return nth;
}

function plugIn(endpoint: Endpoint, netns: string): void {
  const { inside, addresses } = endpoint;
  const tried = `make the cable between ${endpoint.network.bridge} and ${inside}`;
  const messages = [cableMessage(endpoint, 'netns'), ...forwardingMessages(endpoint)];
  sendNetlink({ protocol: NETLINK_ROUTE, file: netns }, messages, tried);
  sendNetlink(
    { protocol: NETLINK_ROUTE, netns },
    [...addresses.map((address) => addressMessage(endpoint, address)), setLinkUp(inside)],
    `give ${inside} its addresses`,
  );
}

/** The address is free when nobody answers for it any more. */
function unplug(paths: EnginePaths, id: Container['record']['id'], endpoint: Endpoint): void {
  pullCable(endpoint);
  for (const file of leaseFiles(paths, endpoint)) {
    const text = readFileIfThere(file);
    if (text !== undefined && parseLease(text).containerId === id) unlinkSync(file);
  }
}

/** A default route goes with its cable; another cable may lead out. One that is there stays. */
function setWaysOut(endpoints: readonly Endpoint[], netns: string): void {
  for (const { gateway, message } of waysOut(endpoints)) {
    try {
      sendNetlink({ protocol: NETLINK_ROUTE, netns }, [message], `make the route through ${gateway}`);
    } catch (error) {
      if (refusalOf(error) !== 'EEXIST') throw error;
    }
  }
}
