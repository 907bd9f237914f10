/** The flags of `run` that are about its network. */
import type { NetworkMode, NetworkOptions, NetworkPlace } from '../engine/container-options.ts';
import { AF_INET6 } from '../kernel/constants.ts';
import { TsrunError } from '../lib/errors.ts';
import { type EndpointOptions, parseMac } from '../network/endpoint.ts';
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
  'dns-option': {
    also: ['dns-opt'],
    type: 'list',
    value: 'OPTION',
    help: "option for /etc/resolv.conf instead of the host's",
  },
  'dns-search': {
    type: 'list',
    value: 'DOMAIN',
    help: "domain that names are looked up in, instead of the host's; a dot for none",
  },
  ip: { type: 'text', value: 'ADDRESS', help: 'IPv4 address on the network' },
  ip6: { type: 'text', value: 'ADDRESS', help: 'IPv6 address on the network' },
  'mac-address': { type: 'text', value: 'ADDRESS', help: 'hardware address, such as 02:42:ac:11:00:02' },
  'network-alias': {
    also: ['net-alias'],
    type: 'list',
    value: 'NAME',
    help: 'another name by which containers on the same network find it',
  },
  network: {
    also: ['net'],
    type: 'list',
    value: 'NETWORK',
    help: "bridge (the default), none (a loopback only), host (the host's own), container:NAME (another container's), or one that network create made; each network once, also as name=NETWORK,alias=NAME,ip=ADDRESS,ip6=ADDRESS,mac-address=ADDRESS",
  },
} as const satisfies FlagTable;

type Flags = FlagValues<typeof NETWORK_FLAGS>;

/** --ip and its like are for the first network. Throws usage errors for what belongs to none, as Docker does. */
export function networkOptions(flags: Flags, syntax: Syntax, hostname: string | undefined): NetworkOptions {
  const given = flags.network.length === 0 ? ['bridge'] : flags.network;
  const [first, ...more] = given.map((text) => parseNetwork(text, syntax));
  if (first === undefined) throw new Error('there is always a network');
  const { mode } = first;
  const asked = addFlags(first.asked, flags, syntax);
  checkConflicts(first, asked, flags, syntax, hostname);
  return {
    mode,
    ...asked,
    more: more.map((next) => furtherPlace(mode, next, syntax)),
    hosts: flags['add-host'].map(parseHostEntry),
    dns: flags.dns.map((text) => parseResolver(text, syntax)),
    dnsSearch: flags['dns-search'].map((text) => checkWord('--dns-search', text, syntax)),
    dnsOptions: flags['dns-option'].map((text) => checkWord('--dns-option', text, syntax)),
  };
}

/** One --network. */
interface AskedNetwork {
  readonly text: string;
  readonly mode: NetworkMode;
  readonly asked: EndpointOptions;
}

/** A name, or `name=NETWORK,ip=ADDRESS …`. */
function parseNetwork(text: string, syntax: Syntax): AskedNetwork {
  if (!/^[\w-]+=/.test(text)) return { text, mode: parseMode(text, syntax), asked: { aliases: [] } };
  const fields = text.split(',').map((field) => {
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(field) ?? [];
    if (!['name', 'alias', 'ip', 'ip6', 'mac-address'].includes(key) || value === '')
      throw usage(
        syntax,
        `--network takes name, alias, ip, ip6 and mac-address, each with =VALUE, not ${JSON.stringify(field)}`,
      );
    return { key, value };
  });
  const last = (key: string) => fields.findLast((field) => field.key === key)?.value;
  const name = last('name');
  if (name === undefined) throw usage(syntax, `--network ${text} does not say name=NETWORK`);
  const aliases = fields.filter(({ key }) => key === 'alias').map(({ value }) => value);
  return {
    text,
    mode: parseMode(name, syntax),
    asked: parseEndpoint(
      { ip: last('ip'), ip6: last('ip6'), mac: last('mac-address'), aliases, alias: '--network alias' },
      syntax,
    ),
  };
}

function parseEndpoint(
  given: {
    readonly ip: string | undefined;
    readonly ip6: string | undefined;
    readonly mac: string | undefined;
    readonly aliases: readonly string[];
    /** What aliases are given by. */
    readonly alias: string;
  },
  syntax: Syntax,
): EndpointOptions {
  const [ip, ip6] = [parseIp(given.ip, 4, syntax), parseIp(given.ip6, 6, syntax)];
  const macAddress = parseMacAddress(given.mac, syntax);
  return {
    aliases: given.aliases.map((text) => parseAlias(given.alias, text, syntax)),
    ...(ip === undefined ? {} : { ip }),
    ...(ip6 === undefined ? {} : { ip6 }),
    ...(macAddress === undefined ? {} : { macAddress }),
  };
}

function addFlags(asked: EndpointOptions, flags: Flags, syntax: Syntax): EndpointOptions {
  const { ip, ip6, 'mac-address': mac, 'network-alias': aliases } = flags;
  const own = parseEndpoint({ ip, ip6, mac, aliases, alias: '--network-alias' }, syntax);
  const twice = (['ip', 'ip6', 'macAddress', 'aliases'] as const).find(
    (key) => (own[key]?.length ?? 0) > 0 && (asked[key]?.length ?? 0) > 0,
  );
  if (twice === undefined) return { ...asked, ...own, aliases: [...asked.aliases, ...own.aliases] };
  const flag = { ip: 'ip', ip6: 'ip6', macAddress: 'mac-address', aliases: 'network-alias' }[twice];
  throw usage(syntax, `conflicting options: --${flag} and the same in --network`);
}

function furtherPlace(first: NetworkMode, { mode, asked, text }: AskedNetwork, syntax: Syntax): NetworkPlace {
  if (first.kind !== 'network' || mode.kind !== 'network')
    throw usage(
      syntax,
      'conflicting options: none, host and the network of another container cannot be used with any other network',
    );
  checkAliases(mode, asked, text, syntax);
  return { ...asked, network: mode.name };
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

/** On the default network nobody is found by name. */
function checkAliases(mode: NetworkMode, { aliases }: EndpointOptions, text: string, syntax: Syntax): void {
  if (aliases.length > 0 && (mode.kind !== 'network' || mode.name === 'bridge'))
    throw usage(
      syntax,
      `--network-alias needs --network with a network that network create made, not ${text}`,
    );
}

/** What would belong to somebody else: the other container's files, or the host's interfaces. */
function checkConflicts(
  { mode, text }: AskedNetwork,
  asked: EndpointOptions,
  flags: Flags,
  syntax: Syntax,
  hostname: string | undefined,
): void {
  const { kind } = mode;
  const interfaces = { ip: asked.ip, ip6: asked.ip6, 'mac-address': asked.macAddress };
  const { 'add-host': hosts, dns, 'dns-option': options, 'dns-search': search } = flags;
  const files = { 'add-host': hosts[0], dns: dns[0], 'dns-option': options[0], 'dns-search': search[0] };
  const refused = kind === 'container' ? { ...interfaces, ...files } : kind === 'network' ? {} : interfaces;
  const [given] = Object.entries(refused).find(([, value]) => value !== undefined) ?? [];
  if (given !== undefined)
    throw usage(
      syntax,
      `--${given} cannot be used with --network ${text}: it has no interface or file of its own for it`,
    );
  checkAliases(mode, asked, text, syntax);
  if (kind === 'container' && hostname !== undefined)
    throw usage(
      syntax,
      `--hostname cannot be used with --network ${text}: the name of that container is shared`,
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
