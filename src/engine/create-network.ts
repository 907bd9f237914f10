/** `network create`: a name, subnets nobody else has, and the bridge. */
import { unlinkSync } from 'node:fs';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { sendNetlink } from '../kernel/netlink-door.ts';
import { dumpLinks, readLinks } from '../kernel/rtnetlink.ts';
import { TsrunError } from '../lib/errors.ts';
import { randomBytes } from '../lib/random.ts';
import { chooseSubnets, type SubnetRequest, type TakenNetwork } from '../network/choose-subnets.ts';
import { type IpNetwork, parseCidr } from '../network/ip-address.ts';
import type { Network } from '../network/network.ts';
import { readHostAddresses, readHostRoutes } from '../network/pools.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import { makeBridge } from './network-bridge.ts';
import { defaultNetwork, listNetworks, lockNetworks, networkFile, writeNetwork } from './network-store.ts';
import { type EnginePaths, prepareRoots } from './paths.ts';
import { finishInterrupted } from './remove-network.ts';

export interface NetworkRequest extends SubnetRequest {
  readonly name: string;
  readonly internal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the driver: those of NETWORK_OPTIONS. */
  readonly options: Readonly<Record<string, string>>;
}

/** Names that `run --network` takes for something else. */
const RESERVED: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default', 'container']);
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** A file and an entry of DNS have this name. */
const MAX_NAME = 63;

const MTU_OPTIONS = ['com.docker.network.driver.mtu', 'mtu'];
const BRIDGE_OPTION = 'com.docker.network.bridge.name';
const NETWORK_OPTIONS: readonly string[] = [...MTU_OPTIONS, BRIDGE_OPTION];

/** Makes the network, and its bridge at once. Throws NETWORK_EXISTS, or what is wrong with the request; nothing is left then. */
export function createNetwork(paths: EnginePaths, request: NetworkRequest): Network {
  checkRoot(`network create ${request.name}`);
  checkName(request.name);
  const mtu = readMtu(request.options);
  prepareRoots(paths);
  // The default network chooses its subnet first, or the second network would take what every host has there.
  defaultNetwork(paths);
  using _locked = lockNetworks(paths);
  finishInterrupted(paths);
  const others = listNetworks(paths);
  if (others.some(({ name }) => name === request.name))
    throw new TsrunError('NETWORK_EXISTS', `Cannot create network ${request.name}: there is one already`, {
      hint: `choose another name, or remove that one: tsrun network rm ${request.name}`,
      exitCode: 1,
    });
  const id = randomBytes(32).toString('hex');
  const network: Network = {
    id,
    name: request.name,
    bridge: bridgeName(id, request.options),
    subnets: chooseSubnets(request, { ...surroundings(others), random: randomBytes(5) }),
    internal: request.internal,
    ...(mtu === undefined ? {} : { mtu }),
    labels: request.labels,
    options: request.options,
    created: new Date().toISOString(),
    isDefault: false,
  };
  // On record first: whatever is left of a process that is killed here is then known, and can be removed.
  writeNetwork(paths, network);
  try {
    makeBridge(network);
  } catch (error) {
    unlinkSync(networkFile(paths, network.name));
    throw error;
  }
  return network;
}

function checkName(name: string): void {
  const refuse = (why: string) =>
    new TsrunError('BAD_NAME', `Cannot name a network ${JSON.stringify(name)}: ${why}`, {
      hint: 'give a name such as front-1',
      exitCode: 1,
    });
  if (!NAME.test(name)) throw refuse('names are made of [a-zA-Z0-9][a-zA-Z0-9_.-]');
  if (name.length > MAX_NAME) throw refuse(`it has more than ${MAX_NAME} characters`);
  if (RESERVED.has(name)) throw refuse('that name has a meaning of its own');
}

function readMtu(options: NetworkRequest['options']): number | undefined {
  const unknown = Object.keys(options).find((name) => !NETWORK_OPTIONS.includes(name));
  if (unknown !== undefined)
    throw new TsrunError('BAD_OPTION', `Cannot use the option ${unknown}: bridges have none of that name`, {
      hint: `there are ${NETWORK_OPTIONS.join(', ')}`,
    });
  const text = MTU_OPTIONS.map((name) => options[name]).find((value) => value !== undefined);
  if (text === undefined) return undefined;
  const mtu = Number(text);
  // IPv4 works from 68 bytes on (RFC 791), IPv6 from 1280 (RFC 8200); the kernel's bridges end at 65535.
  if (!/^\d+$/.test(text) || mtu < 68 || mtu > 65_535)
    throw new TsrunError('BAD_OPTION', `Cannot use the MTU ${JSON.stringify(text)}: it is 68 to 65535 bytes`);
  return mtu;
}

/** IFNAMSIZ: up to 15 bytes. */
function bridgeName(id: string, options: NetworkRequest['options']): string {
  const asked = options[BRIDGE_OPTION];
  if (asked === undefined) return `tsr-${id.slice(0, 11)}`;
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(asked)) {
    const links = readLinks(sendNetlink({ protocol: NETLINK_ROUTE }, [dumpLinks], 'ask for the links'));
    if (!links.some(({ name }) => name === asked)) return asked;
    throw new TsrunError('LINK_EXISTS', `Cannot name a bridge ${asked}: the host has a link of that name`, {
      hint: `choose another ${BRIDGE_OPTION}, or none`,
      exitCode: 1,
    });
  }
  throw new TsrunError(
    'BAD_OPTION',
    `Cannot name a bridge ${JSON.stringify(asked)}: a link has a name of up to 15 of [a-zA-Z0-9_.-]`,
  );
}

function surroundings(others: readonly Network[]): {
  readonly taken: readonly TakenNetwork[];
  readonly routes: readonly IpNetwork[];
} {
  const ours = others.flatMap(({ name, subnets }) =>
    subnets.flatMap(({ subnet }) => {
      const network = parseCidr(subnet)?.network;
      return network === undefined ? [] : [{ network, holder: `network ${name}` }];
    }),
  );
  const host = readHostAddresses().map((network) => ({
    network,
    holder: 'which an interface of this host has',
  }));
  return { taken: [...ours, ...host], routes: readHostRoutes() };
}
