/** The flags of `run` that are about its network. */
import type { NetworkMode, NetworkOptions } from '../engine/container-options.ts';
import { AF_INET6 } from '../kernel/constants.ts';
import { TsrunError } from '../lib/errors.ts';
import { parseMac } from '../network/endpoint.ts';
import { HOST_GATEWAY, type HostEntry } from '../network/hosts.ts';
import { formatAddress, parseAddress } from '../network/ip-address.ts';
import { type FlagTable, type FlagValues, type Syntax, usage } from './flags.ts';

export const NETWORK_FLAGS = {
  'add-host': {
    type: 'list',
    value: 'NAME:ADDRESS',
    help: 'add a line to /etc/hosts; the address host-gateway is that of the host',
  },
  dns: { type: 'list', value: 'ADDRESS', help: "ask this resolver instead of the host's" },
  'dns-option': { type: 'list', value: 'OPTION', help: "option for /etc/resolv.conf instead of the host's" },
  'dns-search': {
    type: 'list',
    value: 'DOMAIN',
    help: "domain that names are looked up in, instead of the host's; a dot for none",
  },
  ip: { type: 'text', value: 'ADDRESS', help: 'IPv4 address on the network' },
  ip6: { type: 'text', value: 'ADDRESS', help: 'IPv6 address on the network' },
  'mac-address': { type: 'text', value: 'ADDRESS', help: 'hardware address, such as 02:42:ac:11:00:02' },
  'network-alias': {
    type: 'list',
    value: 'NAME',
    help: 'another name by which containers on the same network find it',
  },
  network: {
    type: 'text',
    value: 'NETWORK',
    help: "bridge (the default), none (a loopback only), host (the host's own), container:NAME (another container's), or one that network create made",
  },
} as const satisfies FlagTable;

type Flags = FlagValues<typeof NETWORK_FLAGS>;

export function networkOptions(flags: Flags, syntax: Syntax, hostname: string | undefined): NetworkOptions {
  const mode = parseMode(flags.network ?? 'bridge', syntax);
  checkConflicts(mode, flags, syntax, hostname);
  const [ip, ip6] = [parseIp(flags.ip, 4, syntax), parseIp(flags.ip6, 6, syntax)];
  const macAddress = parseMacAddress(flags['mac-address'], syntax);
  return {
    mode,
    hosts: flags['add-host'].map(parseHostEntry),
    dns: flags.dns.map((text) => parseResolver(text, syntax)),
    dnsSearch: flags['dns-search'].map((text) => checkWord('--dns-search', text, syntax)),
    dnsOptions: flags['dns-option'].map((text) => checkWord('--dns-option', text, syntax)),
    aliases: flags['network-alias'].map((text) => parseAlias('--network-alias', text, syntax)),
    ...(ip === undefined ? {} : { ip }),
    ...(ip6 === undefined ? {} : { ip6 }),
    ...(macAddress === undefined ? {} : { macAddress }),
  };
}

function parseMode(text: string, syntax: Syntax): NetworkMode {
  if (text === 'none' || text === 'host') return { kind: text };
  if (text === 'default') return { kind: 'network', name: 'bridge' };
  const [, container] = /^container:(.*)$/s.exec(text) ?? [];
  if (container === '') throw usage(syntax, '--network container: needs the name of a container');
  if (container !== undefined) return { kind: 'container', container };
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)) return { kind: 'network', name: text };
  throw usage(syntax, `${JSON.stringify(text)} is no name of a network`);
}

/** What would belong to somebody else: the other container's files, or the host's interfaces. */
function checkConflicts(mode: NetworkMode, flags: Flags, syntax: Syntax, hostname: string | undefined): void {
  const { kind } = mode;
  const interfaces = ['ip', 'ip6', 'mac-address'] as const;
  const files = ['add-host', 'dns', 'dns-option', 'dns-search'] as const;
  const refused = kind === 'container' ? [...interfaces, ...files] : kind === 'network' ? [] : interfaces;
  const given = refused.find((name) => flags[name] !== undefined && flags[name].length > 0);
  if (given !== undefined)
    throw usage(
      syntax,
      `--${given} cannot be used with --network ${flags.network}: it has no interface or file of its own for it`,
    );
  // On the default network nobody is found by name.
  if (flags['network-alias'].length > 0 && (mode.kind !== 'network' || mode.name === 'bridge'))
    throw usage(syntax, '--network-alias needs --network with a network that network create made');
  if (kind === 'container' && hostname !== undefined)
    throw usage(
      syntax,
      `--hostname cannot be used with --network ${flags.network}: the name of that container is shared`,
    );
}

export function parseIp(text: string | undefined, version: 4 | 6, syntax: Syntax): string | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text);
  if (address === undefined || (address.family === AF_INET6) !== (version === 6))
    throw usage(
      syntax,
      `--ip${version === 6 ? '6' : ''} takes an IPv${version} address, not ${JSON.stringify(text)}`,
    );
  return formatAddress(address);
}

function parseMacAddress(text: string | undefined, syntax: Syntax): string | undefined {
  if (text === undefined) return undefined;
  if (parseMac(text) === undefined)
    throw usage(
      syntax,
      `--mac-address takes the hardware address of one host, such as 02:42:ac:11:00:02, not ${JSON.stringify(text)}`,
    );
  return text.toLowerCase().replaceAll('-', ':');
}

function parseResolver(text: string, syntax: Syntax): string {
  const address = parseAddress(text);
  if (address === undefined) throw usage(syntax, `--dns takes an address, not ${JSON.stringify(text)}`);
  return formatAddress(address);
}

/** A name of DNS: labels of up to 63 bytes. */
export function parseAlias(flag: string, text: string, syntax: Syntax): string {
  if (text.length < 254 && /^[a-zA-Z0-9_-]{1,63}(\.[a-zA-Z0-9_-]{1,63})*$/.test(text)) return text;
  throw usage(syntax, `${flag} takes a name such as db or db.example, not ${JSON.stringify(text)}`);
}

/** One word of resolv.conf: whatever could begin a new line there is refused. */
function checkWord(flag: string, text: string, syntax: Syntax): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw usage(syntax, `${flag} takes a word without spaces, not ${JSON.stringify(text)}`);
}

/** `name:address` or `name=address`, the address in brackets or not. */
function parseHostEntry(text: string): HostEntry {
  const [, name = '', value = ''] = /^([^:=]*)[:=](.*)$/s.exec(text) ?? [];
  const refuse = (why: string) =>
    new TsrunError('BAD_HOST', `Cannot add the host ${JSON.stringify(text)}: ${why}`, {
      hint: 'give it as NAME:ADDRESS, or NAME:host-gateway',
    });
  if (!/^[a-zA-Z0-9_.-]+$/.test(name)) throw refuse(`${JSON.stringify(name)} is no name of a host`);
  if (value === HOST_GATEWAY) return { name, address: value };
  const address = parseAddress(value.replace(/^\[(.*)\]$/s, '$1'));
  if (address === undefined) throw refuse(`${JSON.stringify(value)} is no address`);
  return { name, address: formatAddress(address) };
}
