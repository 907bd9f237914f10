/** The files every container gets from the engine: its names and its resolvers, bound over those of the image. */
import { writeFileSync } from 'node:fs';
import type { HostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import type { Endpoint } from '../network/endpoint.ts';
import { entryLines, HOST_GATEWAY, type HostEntry, hostsFile } from '../network/hosts.ts';
import { asksOnlyItself, ownResolvConf, resolvConf } from '../network/resolv-conf.ts';
import type { MountSpec } from '../spec/runtime.ts';
import type { NetworkOptions } from './container-options.ts';

const FILES = ['hostname', 'hosts', 'resolv.conf'] as const;

/** Mounts for /etc/hostname, /etc/hosts and /etc/resolv.conf. */
export function engineFileMounts(dir: HostPath): readonly MountSpec[] {
  return FILES.map((file) => ({ destination: `/etc/${file}`, source: `${dir}/${file}`, options: ['bind'] }));
}

/** The same files of another container, for one that shares its network. */
export function sharedFileMounts(mounts: readonly MountSpec[]): readonly MountSpec[] {
  return mounts.filter(({ destination }) => FILES.some((file) => destination === `/etc/${file}`));
}

export interface FilesInput {
  readonly hostname: string;
  readonly options: NetworkOptions;
  readonly endpoints: readonly Endpoint[];
}

/** Name → text of the files in the container's directory; none for a container that has those of another one. */
export function engineFiles(input: FilesInput): Readonly<Record<string, string>> {
  if (input.options.mode.kind === 'container') return {};
  return { hostname: `${input.hostname}\n`, hosts: hosts(input), 'resolv.conf': resolvers(input) };
}

export function writeEngineFiles(dir: HostPath, input: FilesInput): void {
  for (const [file, text] of Object.entries(engineFiles(input)))
    writeFileSync(`${dir}/${file}`, text, { mode: 0o644 });
}

/** /etc/resolv.conf of a container that runs: in place, for the file is bound into it. */
export function rewriteResolvConf(
  dir: HostPath,
  options: NetworkOptions,
  endpoints: readonly Endpoint[],
): void {
  writeFileSync(`${dir}/resolv.conf`, resolvers({ options, endpoints }));
}

/** On the host's network the names are the host's; without any network, its own name is on the loopback. */
function hosts({ hostname, options, endpoints }: FilesInput): string {
  const entries = options.hosts.flatMap((entry) => resolveEntry(entry, options, endpoints));
  if (options.mode.kind === 'host') {
    const own = readFileIfThere('/etc/hosts') ?? '';
    const end = own === '' || own.endsWith('\n') ? '' : '\n';
    return (
      own +
      end +
      entryLines(entries)
        .map((line) => `${line}\n`)
        .join('')
    );
  }
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses.map(({ address }) => address));
  return hostsFile(hostname, addresses.length === 0 ? ['127.0.0.1'] : addresses, entries);
}

function resolveEntry(
  { name, address }: HostEntry,
  { mode }: NetworkOptions,
  [first]: readonly Endpoint[],
): readonly { readonly name: string; readonly address: string }[] {
  if (address !== HOST_GATEWAY) return [{ name, address }];
  if (mode.kind === 'host') return [{ name, address: '127.0.0.1' }];
  if (first === undefined)
    throw new TsrunError(
      'NO_HOST_GATEWAY',
      `Cannot add the host ${name}: without a network there is no way to the host`,
      {
        hint: 'give an address instead of host-gateway, or a network',
      },
    );
  return first.addresses.map(({ gateway }) => ({ name, address: gateway }));
}

const RESOLV_CONF = '/etc/resolv.conf';
/** Where systemd-resolved writes the resolvers that it asks itself. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

function resolvers({ options, endpoints }: Pick<FilesInput, 'options' | 'endpoints'>): string {
  const asked = options.dns.length + options.dnsSearch.length + options.dnsOptions.length > 0;
  const { kind } = options.mode;
  if (kind === 'none' && endpoints.length === 0) return asked ? resolvConf('', options, false) : '';
  const host = readFileIfThere(RESOLV_CONF) ?? '';
  if (kind === 'host') return asked ? resolvConf(host, options, true) : host;
  if (endpoints.some(({ network }) => !network.isDefault)) return ownResolvConf(host, options);
  const ipv6 = endpoints.some(({ addresses }) => addresses.some(({ address }) => address.includes(':')));
  const text = asksOnlyItself(host) ? (readFileIfThere(RESOLVED_CONF) ?? host) : host;
  return resolvConf(text, options, ipv6);
}
