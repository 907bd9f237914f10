/** Ports of the host that lead to ports of a container. */
import { parseAddress } from './ip-address.ts';

export type PortProtocol = 'tcp' | 'udp';

export interface ContainerPort {
  readonly port: number;
  readonly protocol: PortProtocol;
}

export interface PublishedPort {
  /** Left out: every address of the host, of each family that the container has an address of. */
  readonly hostAddress?: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: PortProtocol;
}

/** A published port at one address of the host. */
export interface PortBinding extends PublishedPort {
  /** `0.0.0.0` and `::` are all addresses of their family. */
  readonly hostAddress: string;
  /** The container's address. */
  readonly target: string;
}

const EVERYWHERE = { 4: '0.0.0.0', 6: '::' } as const;
const familyOf = (address: string) => (address.includes(':') ? 6 : 4);

/** One for each address of the container (at most one of a family) that the port can lead to. */
export function bindingsOf(port: PublishedPort, addresses: readonly string[]): readonly PortBinding[] {
  return addresses
    .filter((target) => port.hostAddress === undefined || familyOf(port.hostAddress) === familyOf(target))
    .map((target) => ({ ...port, hostAddress: port.hostAddress ?? EVERYWHERE[familyOf(target)], target }));
}

/**
 * Whether no rule can serve it: IPv6 has no route_localnet, so a packet from ::1 does not leave by another interface, and an answer
 * to it is dropped.
 */
export const needsProxy = ({ hostAddress }: PortBinding): boolean => hostAddress === '::1';

/** Whether two sockets could not be bound to both of them. */
export function portsConflict(a: PublishedPort, b: PublishedPort): boolean {
  return (
    a.protocol === b.protocol && a.hostPort === b.hostPort && addressesMeet(a.hostAddress, b.hostAddress)
  );
}

function addressesMeet(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  const [one, other] = [parseAddress(a), parseAddress(b)];
  if (one?.family !== other?.family) return false;
  return one?.value === 0n || other?.value === 0n || one?.value === other?.value;
}

/** `127.0.0.1:8080`, `[::1]:8080`; `8080` where no address was asked for. */
export function formatHostPort({ hostAddress, hostPort }: PublishedPort): string {
  if (hostAddress === undefined) return `${hostPort}`;
  return familyOf(hostAddress) === 6 ? `[${hostAddress}]:${hostPort}` : `${hostAddress}:${hostPort}`;
}
