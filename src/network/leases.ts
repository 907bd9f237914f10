/**
 * Addresses that are in use: RUN-ROOT/networks/NETWORK-ID/ADDRESS. Who can make the file has the address. It is linked from a
 * whole file in the run directory of the container, so it is never seen half-written, and no lock is needed.
 */
import { chmodSync, linkSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { namesIn, readFileIfThere } from '../lib/files.ts';
import {
  contains,
  formatAddress,
  type IpAddress,
  type IpNetwork,
  lastAddress,
  parseAddress,
  parseCidr,
} from './ip-address.ts';
import { formatLease, type Lease, parseLease } from './lease-format.ts';
import type { Network, Subnet } from './network.ts';

/** Where the leases of all networks are. */
export const leasesDirectory = (runRoot: HostPath): HostPath => hostPath(`${runRoot}/networks`);

/** Where those of one network are. */
export function networkLeases(runRoot: HostPath, network: Pick<Network, 'id'>): HostPath {
  return hostPath(`${leasesDirectory(runRoot)}/${network.id}`);
}

/** Makes `source`, from which leases are linked: its presence says that the container may have some. */
export function prepareLease(runRoot: HostPath, network: Network, source: HostPath, lease: Lease): void {
  for (const path of [leasesDirectory(runRoot), networkLeases(runRoot, network)]) makeDirectory(path);
  writeFileSync(source, formatLease(lease));
  chmodSync(source, 0o644);
}

/**
 * An address of `subnet` that nobody else has: the one that is asked for, or the lowest. With `source` it is taken; without,
 * only looked for.
 */
export function chooseAddress(
  runRoot: HostPath,
  network: Network,
  subnet: Subnet,
  asked: string | undefined,
  source: HostPath | undefined,
): IpAddress {
  const directory = networkLeases(runRoot, network);
  const wanted =
    asked === undefined ? freeAddresses(directory, subnet) : [askedAddress(network, subnet, asked)];
  for (const address of wanted) {
    if (source === undefined || tryLink(source, `${directory}/${formatAddress(address)}`)) return address;
  }
  throw asked === undefined ? noneLeft(network, subnet) : inUse(directory, network, asked);
}

/** Gives back all addresses of a container: for one that could not do it itself. */
export function releaseLeases(runRoot: HostPath, containerId: string): void {
  for (const network of namesIn(leasesDirectory(runRoot))) {
    const directory = `${leasesDirectory(runRoot)}/${network}`;
    for (const address of namesIn(directory)) {
      const text = readFileIfThere(`${directory}/${address}`);
      if (text !== undefined && parseLease(text).containerId === containerId)
        unlinkSync(`${directory}/${address}`);
    }
  }
}

/** From the lowest on. The first address of a network stands for it, the last one of an IPv4 network for all of its hosts. */
function* freeAddresses(directory: string, subnet: Subnet): Generator<IpAddress> {
  const network = networkOf(subnet.subnet);
  const range = networkOf(subnet.range ?? subnet.subnet);
  const taken = new Set([...namesIn(directory), subnet.gateway]);
  const last = lastAddress(range).value;
  for (let value = range.value; value <= last; value++) {
    const address = { family: range.family, value };
    if (isReserved(network, address) || taken.has(formatAddress(address))) continue;
    yield address;
  }
}

function isReserved(network: IpNetwork, { value }: IpAddress): boolean {
  return value === network.value || value === lastAddress(network).value;
}

function askedAddress(network: Network, subnet: Subnet, text: string): IpAddress {
  const range = networkOf(subnet.subnet);
  const address = parseAddress(text);
  const refuse = (why: string) =>
    new TsrunError('BAD_ADDRESS', `Cannot use the address ${text} on network ${network.name}: ${why}`, {
      hint: `give another one of ${subnet.subnet}, or none`,
    });
  if (address === undefined || !contains(range, address)) throw refuse(`it is not in ${subnet.subnet}`);
  if (formatAddress(address) === subnet.gateway) throw refuse('it is the address of the bridge');
  if (isReserved(range, address)) throw refuse('it does not stand for a single host');
  return address;
}

function tryLink(source: string, target: string): boolean {
  try {
    linkSync(source, target);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function noneLeft(network: Network, subnet: Subnet): TsrunError {
  return new TsrunError(
    'NO_ADDRESS_LEFT',
    `Cannot find an address on network ${network.name}: all of ${subnet.range ?? subnet.subnet} are in use`,
    { hint: 'remove containers that are not needed, or use a network with a larger subnet' },
  );
}

function inUse(directory: string, network: Network, address: string): TsrunError {
  const lease = readFileIfThere(`${directory}/${address}`);
  const holder =
    lease === undefined ? 'a container that has just ended' : `container ${parseLease(lease).names[0]}`;
  return new TsrunError(
    'ADDRESS_IN_USE',
    `Cannot use the address ${address} on network ${network.name}: ${holder} has it`,
    { hint: 'give another address, or none' },
  );
}

function networkOf(text: string): IpNetwork {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`${text} is no subnet`);
  return cidr.network;
}

/** Everyone may read it, whatever the umask: the DNS server of a container does. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
    chmodSync(path, 0o755);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}
