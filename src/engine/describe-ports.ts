/** Published and exposed ports as Docker shows them. */
import type { ContainerPort, PortBinding } from '../network/published-port.ts';
import type { PortRequest } from './port-options.ts';

export type PortMap = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

export const portName = ({ port, protocol }: ContainerPort): string => `${port}/${protocol}`;

const nameOf = ({ containerPort, protocol }: PortBinding) => portName({ port: containerPort, protocol });

/** `{ "80/tcp": [{ HostIp, HostPort }], "443/tcp": null }` */
export function describePorts(exposed: readonly ContainerPort[], bindings: readonly PortBinding[]): PortMap {
  const published = Map.groupBy(bindings, nameOf);
  const names = [...new Set([...exposed.map(portName), ...published.keys()])].sort(byPort);
  return Object.fromEntries(
    names.map((name) => [
      name,
      published
        .get(name)
        ?.map(({ hostAddress, hostPort }) => ({ HostIp: hostAddress, HostPort: `${hostPort}` })) ?? null,
    ]),
  );
}

const byPort = (a: string, b: string) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || compare(a, b);

/** A run of neighbouring ports: those of the container from `port` on, at those of the host from `hostPort` on. */
interface PortRun {
  readonly host: string | undefined;
  readonly hostPort: number;
  readonly port: number;
  readonly protocol: string;
  length: number;
}

/** The column PORTS of `docker ps`: `0.0.0.0:8000-8002->80-82/tcp, 443/tcp`. */
export function formatPorts(exposed: readonly ContainerPort[], bindings: readonly PortBinding[]): string {
  const names = new Set(bindings.map(nameOf));
  const published = bindings.map(({ hostAddress, hostPort, containerPort, protocol }) => ({
    host: hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress,
    hostPort,
    port: containerPort,
    protocol,
    length: 1,
  }));
  const others = exposed
    .filter((port) => !names.has(portName(port)))
    .map(({ port, protocol }) => ({ host: undefined, hostPort: port, port, protocol, length: 1 }));
  return [...joinRuns(published), ...joinRuns(others)].map(formatRun).join(', ');
}

function joinRuns(ports: readonly PortRun[]): readonly PortRun[] {
  const order = ports.toSorted(
    (a, b) => compare(a.host ?? '', b.host ?? '') || compare(a.protocol, b.protocol) || a.port - b.port,
  );
  const runs: PortRun[] = [];
  for (const port of order) {
    const last = runs.at(-1);
    if (last !== undefined && continues(last, port)) last.length++;
    else runs.push({ ...port });
  }
  return runs;
}

/** What was asked for, in Docker's words. */
export function describeRequests(requests: readonly PortRequest[]): PortMap {
  const host = ({ hostAddress = '', hostPorts }: PortRequest) => ({
    HostIp: hostAddress,
    HostPort: hostPorts === undefined ? '' : formatRange(hostPorts.first, hostPorts.last),
  });
  const named = Map.groupBy(requests, portName);
  return Object.fromEntries([...named].map(([name, same]) => [name, same.map(host)]));
}

const formatRange = (first: number, last: number) => (first === last ? `${first}` : `${first}-${last}`);

/** By the bytes: 0.0.0.0 comes before [::]. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function continues(run: PortRun, next: PortRun): boolean {
  return (
    run.host === next.host &&
    run.protocol === next.protocol &&
    run.port + run.length === next.port &&
    run.hostPort + run.length === next.hostPort
  );
}

function formatRun({ host, hostPort, port, protocol, length }: PortRun): string {
  const range = (first: number) => formatRange(first, first + length - 1);
  const inside = `${range(port)}/${protocol}`;
  return host === undefined ? inside : `${host}:${range(hostPort)}->${inside}`;
}
