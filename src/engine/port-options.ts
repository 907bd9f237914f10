/** Docker's -p and --expose as data. */
import { TsrunError } from '../lib/errors.ts';
import { formatAddress, parseAddress } from '../network/ip-address.ts';
import type { ContainerPort, PortProtocol } from '../network/published-port.ts';
import type { ContainerDefaults } from '../spec/image.ts';
import type { NetworkMode, PortOptions } from './container-options.ts';

/** One port of a container to be published. */
export interface PortRequest extends ContainerPort {
  readonly hostAddress?: string;
  /** The first of these that is free; left out, any that is. */
  readonly hostPorts?: PortRange;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const MAX_PORT = 65_535;

/** `[ADDRESS:][HOST_PORTS:]PORTS[/PROTOCOL]`; an IPv6 address stands in brackets. One request for each container port. */
export function parsePublish(text: string): readonly PortRequest[] {
  const [, where = '', ports = '', protocol] = /^(?:(.*):)?([^:/]*)(?:\/(.*))?$/.exec(text) ?? [];
  const [, address, host = where] = /^(?:(.*):)?([^:\]]*)$/.exec(where) ?? [];
  const inside = parseRange(ports);
  if (inside === undefined) throw unreadable(text, ports, 'the container');
  const outside = host === '' || host === '0' ? undefined : parseRange(host);
  if (outside === undefined && host !== '' && host !== '0') throw unreadable(text, host, 'the host');
  const count = sizeOf(inside);
  if (outside !== undefined && count > 1 && sizeOf(outside) !== count)
    throw new TsrunError(
      'BAD_PORT',
      `Cannot publish ${text}: ${sizeOf(outside)} ports of the host for ${count} of the container`,
      { hint: 'give two ranges of the same length, or one port of the container' },
    );
  return Array.from({ length: count }, (_, i) => ({
    port: inside.first + i,
    protocol: parseProtocol(protocol, text),
    ...(address === undefined ? {} : { hostAddress: parseHostAddress(address, text) }),
    ...(outside === undefined ? {} : { hostPorts: count === 1 ? outside : oneOf(outside.first + i) }),
  }));
}

/** `PORTS[/PROTOCOL]`, as --expose and the configuration of an image have it. */
export function parseExposed(text: string): readonly ContainerPort[] {
  const [, ports = '', protocol] = /^([\d-]+)(?:\/(\w+))?$/.exec(text) ?? [];
  const range = parseRange(ports);
  if (range === undefined)
    throw new TsrunError('BAD_PORT', `Cannot expose ${JSON.stringify(text)}: it is no port`, {
      hint: 'give PORT[/PROTOCOL] or FIRST-LAST[/PROTOCOL], such as 80/tcp',
    });
  return Array.from({ length: sizeOf(range) }, (_, i) => ({
    port: range.first + i,
    protocol: parseProtocol(protocol, text),
  }));
}

/** Docker's warning, and for `none` too: nobody who asked for a port should wait for it. */
export function discardedPorts(
  { kind }: NetworkMode,
  { publish, publishAll }: PortOptions,
): readonly string[] {
  if ((kind !== 'host' && kind !== 'none') || (publish.length === 0 && !publishAll)) return [];
  return [`published ports are discarded when using ${kind} network mode`];
}

/** What the image and the user say that the program listens at. */
export function exposedPorts(
  image: ContainerDefaults,
  { expose, publish }: PortOptions,
): readonly ContainerPort[] {
  const usable = (image.ExposedPorts ?? []).filter((text) => /^\d+(-\d+)?(\/(tcp|udp))?$/.test(text));
  const all = [...usable.flatMap(parseExposed), ...expose, ...publish];
  const unique = new Map(all.map(({ port, protocol }) => [`${port}/${protocol}`, { port, protocol }]));
  return [...unique.values()];
}

const oneOf = (port: number): PortRange => ({ first: port, last: port });
const sizeOf = ({ first, last }: PortRange) => last - first + 1;

function parseRange(text: string): PortRange | undefined {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first < 1 || range.last > MAX_PORT || range.last < range.first ? undefined : range;
}

function parseProtocol(text: string | undefined, whole: string): PortProtocol {
  const protocol = (text ?? 'tcp').toLowerCase();
  if (protocol === 'tcp' || protocol === 'udp') return protocol;
  throw new TsrunError('BAD_PORT', `Cannot publish ${whole}: only tcp and udp ports can be`, {
    hint: 'end it with /tcp or /udp, or leave the protocol out for tcp',
  });
}

function parseHostAddress(text: string, whole: string): string {
  const [, bracketed, address = bracketed ?? ''] = /^(?:\[(.*:.*)\]|([^:]*))$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  if (parsed !== undefined) return formatAddress(parsed);
  throw new TsrunError('BAD_PORT', `Cannot publish ${whole}: ${JSON.stringify(text)} is no IP address`, {
    hint: 'give the address of an interface of this host, an IPv6 one in brackets',
  });
}

function unreadable(text: string, part: string, whose: string): TsrunError {
  return new TsrunError(
    'BAD_PORT',
    `Cannot publish ${JSON.stringify(text)}: ${JSON.stringify(part)} is no port of ${whose}`,
    {
      hint: 'give [[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL], such as 8080:80, 127.0.0.1:53:53/udp or [::1]:8000-8009:8000-8009',
    },
  );
}
