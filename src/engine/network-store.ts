/** Networks by name: DATA-ROOT/networks/NAME.json. The default one is made when it is first used. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { FileLock } from '../image/locks.ts';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { sendNetlink } from '../kernel/netlink-door.ts';
import { dumpLinks, readLinks } from '../kernel/rtnetlink.ts';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { EXIT_ENGINE, errnoOf, TsrunError } from '../lib/errors.ts';
import { namesIn, readFileIfThere } from '../lib/files.ts';
import { randomBytes } from '../lib/random.ts';
import { type IpNetwork, parseCidr } from '../network/ip-address.ts';
import type { Network } from '../network/network.ts';
import { chooseSubnet, readHostNetworks, uniqueLocalSubnet } from '../network/pools.ts';
import type { EnginePaths } from './paths.ts';

export const DEFAULT_NETWORK = 'bridge';

/** The files of all networks but `host` and `none`. */
export const networksDirectory = ({ dataRoot }: EnginePaths): HostPath => hostPath(`${dataRoot}/networks`);

/** The file of one network. */
export const networkFile = (paths: EnginePaths, name: string): HostPath =>
  hostPath(`${networksDirectory(paths)}/${name}.json`);

/** By its name; undefined when there is none. Throws BROKEN_NETWORK for a file that cannot be read. */
export function readNetwork(paths: EnginePaths, name: string): Network | undefined {
  const file = networkFile(paths, name);
  const text = readFileIfThere(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Network;
  } catch (cause) {
    throw new TsrunError('BROKEN_NETWORK', `Cannot read ${file}: ${cause}`, {
      hint: 'remove that file; the default network is made again, others with tsrun network create',
      cause,
    });
  }
}

/** The exit status is Docker's: 1, and 125 where a container was to be started. */
export function noSuchNetwork(nameOrId: string, exitCode: number = EXIT_ENGINE): TsrunError {
  return new TsrunError('NO_SUCH_NETWORK', `No such network: ${nameOrId}`, {
    hint: 'tsrun network ls lists them; tsrun network create makes one',
    exitCode,
  });
}

/** By name, id, or the beginning of an id that only one has. Throws AMBIGUOUS_ID. */
export function matchNetwork<T extends { readonly id: string; readonly name: string }>(
  networks: readonly T[],
  nameOrId: string,
): T | undefined {
  const exact = networks.find(({ name, id }) => name === nameOrId || id === nameOrId);
  if (exact !== undefined) return exact;
  const [only, another] = /^[0-9a-f]+$/.test(nameOrId)
    ? networks.filter(({ id }) => id.startsWith(nameOrId))
    : [];
  if (another === undefined) return only;
  throw new TsrunError(
    'AMBIGUOUS_ID',
    `Cannot tell which network ${nameOrId} is: several ids begin with it`,
    { hint: 'give more of the id, or the name', exitCode: 1 },
  );
}

/** In no order. */
export function listNetworks(paths: EnginePaths): readonly Network[] {
  return namesIn(networksDirectory(paths))
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readNetwork(paths, file.slice(0, -'.json'.length)) ?? []);
}

/** Behind the name of a file that is being written. */
export const HALF_WRITTEN = '.new';

/** Readers see all of it or nothing. To be called under lockNetworks. */
export function writeNetwork(paths: EnginePaths, network: Network): void {
  const file = networkFile(paths, network.name);
  writeFileSync(file + HALF_WRITTEN, `${JSON.stringify(network, null, 2)}\n`, { mode: 0o644 });
  renameSync(file + HALF_WRITTEN, file);
}

/** Choosing a free subnet and writing it down are two steps; nobody chooses between them. */
export function lockNetworks(paths: EnginePaths): Disposable {
  const directory = networksDirectory(paths);
  try {
    mkdirSync(directory, { mode: 0o711 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return FileLock.waitBriefly(hostPath(`${directory}.lock`), 'exclusive');
}

/** The network of containers that ask for none. Its subnet and bridge are chosen once, and stay. */
export function defaultNetwork(paths: EnginePaths): Network {
  const there = readNetwork(paths, DEFAULT_NETWORK);
  if (there !== undefined) return there;
  using _locked = lockNetworks(paths);
  const meanwhile = readNetwork(paths, DEFAULT_NETWORK);
  if (meanwhile !== undefined) return meanwhile;
  const network = draftDefaultNetwork(paths);
  writeNetwork(paths, network);
  return network;
}

/** The default network as it would be made: nothing on disk is touched. */
export function draftDefaultNetwork(paths: EnginePaths): Network {
  return {
    id: randomBytes(32).toString('hex'),
    name: DEFAULT_NETWORK,
    bridge: freeBridgeName(),
    subnets: [chooseSubnet(takenNetworks(paths)), uniqueLocalSubnet(randomBytes(5))],
    internal: false,
    labels: {},
    options: {},
    created: new Date().toISOString(),
    isDefault: true,
  };
}

/** What a new network must not overlap: networks of the host, and those whose bridge is not there now. */
function takenNetworks(paths: EnginePaths): readonly IpNetwork[] {
  const ours = listNetworks(paths).flatMap(({ subnets }) =>
    subnets.flatMap(({ subnet }) => parseCidr(subnet)?.network ?? []),
  );
  return [...readHostNetworks(), ...ours];
}

/** tsrun0, unless an engine with another data root has it. */
function freeBridgeName(): string {
  const request = [dumpLinks];
  const links = readLinks(sendNetlink({ protocol: NETLINK_ROUTE }, request, 'ask which links the host has'));
  const names = new Set(links.map(({ name }) => name));
  for (let i = 0; ; i++) if (!names.has(`tsrun${i}`)) return `tsrun${i}`;
}
