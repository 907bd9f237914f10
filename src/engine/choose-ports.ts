/** Which ports of the host a container gets. */

import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import { randomBytes } from '../lib/random.ts';
import {
  type ContainerPort,
  formatHostPort,
  type PortProtocol,
  type PublishedPort,
  portsConflict,
} from '../network/published-port.ts';
import type { PortRange, PortRequest } from './port-options.ts';

/** A published port, and the name of the container that has it. */
export interface HeldPort extends PublishedPort {
  readonly container: string;
}

export interface PortChoice {
  readonly requests: readonly PortRequest[];
  /** Published at any free port each, unless a request has them already (-P). */
  readonly all: readonly ContainerPort[];
}

/**
 * `held`: by containers that run. A port that was free when it was chosen may be taken before the container has it: then the
 * start fails, and says so.
 */
export function choosePorts(
  { requests, all }: PortChoice,
  held: readonly HeldPort[],
): readonly PublishedPort[] {
  const chosen: HeldPort[] = [];
  const listening = new Map<PortProtocol, ReadonlySet<number>>();
  const inUse = (protocol: PortProtocol) => {
    const known = listening.get(protocol) ?? readPortsInUse(protocol);
    listening.set(protocol, known);
    return known;
  };
  const unpublished = all.filter(
    ({ port, protocol }) => !requests.some((r) => r.port === port && r.protocol === protocol),
  );
  for (const request of [...requests, ...unpublished]) {
    const taken = [...held, ...chosen];
    chosen.push({ ...chooseOne(request, taken, inUse), container: 'this container' });
  }
  return chosen.map(({ container, ...port }) => port);
}

function chooseOne(
  request: PortRequest,
  taken: readonly HeldPort[],
  inUse: (protocol: PortProtocol) => ReadonlySet<number>,
): PublishedPort {
  const { hostAddress, hostPorts, port, protocol } = request;
  const at = (hostPort: number): PublishedPort => ({
    ...(hostAddress === undefined ? {} : { hostAddress }),
    hostPort,
    containerPort: port,
    protocol,
  });
  const holder = (candidate: PublishedPort) => taken.find((other) => portsConflict(candidate, other));
  const { first, last } = hostPorts ?? ephemeralRange();
  // One port is the kernel's to judge: what listens now may be gone, or at another address.
  if (first === last) {
    const by = holder(at(first));
    if (by === undefined) return at(first);
    throw conflict(at(first), by.container);
  }
  const size = last - first + 1;
  const start = hostPorts === undefined ? randomBytes(4).readUInt32LE() % size : 0;
  for (let i = 0; i < size; i++) {
    const candidate = at(first + ((start + i) % size));
    if (holder(candidate) === undefined && !inUse(protocol).has(candidate.hostPort)) return candidate;
  }
  throw new TsrunError(
    'PORT_IN_USE',
    `Cannot publish ${port}/${protocol}: no ${protocol} port of the host from ${first} to ${last} is free`,
    { hint: 'give another range of ports, or end what uses them' },
  );
}

function conflict(port: PublishedPort, container: string): TsrunError {
  return new TsrunError(
    'PORT_IN_USE',
    `Cannot publish ${port.containerPort}/${port.protocol}: port ${formatHostPort(port)} of the host is in use by ${container === 'this container' ? 'another port of this container' : `container ${container}`}`,
    { hint: 'choose another port of the host, or leave it out to get one that is free' },
  );
}

/** Docker takes a range that other programs are given ports from as well: ip-sysctl. */
function ephemeralRange(): PortRange {
  const text = readFileIfThere('/proc/sys/net/ipv4/ip_local_port_range') ?? '';
  const [, first = '32768', last = '60999'] = /^(\d+)\s+(\d+)/.exec(text) ?? [];
  return { first: Number(first), last: Number(last) };
}

/** Local ports of all sockets of this network namespace, whatever their address. proc_net_tcp in the kernel's documentation. */
function readPortsInUse(protocol: PortProtocol): ReadonlySet<number> {
  const lines = ['', '6'].flatMap((family) =>
    (readFileIfThere(`/proc/net/${protocol}${family}`) ?? '').split('\n').slice(1),
  );
  return new Set(
    lines.map((line) => Number.parseInt(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /.exec(line)?.[1] ?? '', 16)),
  );
}
