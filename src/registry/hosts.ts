/**
 * What the administrator says of a registry: a directory with its name below certs.d, with a hosts.toml as containerd reads it
 * (mirrors, certificates, headers, plain HTTP), or with certificates alone, as Docker reads them (*.crt, *.cert and *.key).
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { TsrunError } from '../lib/errors.ts';
import { namesIn } from '../lib/files.ts';
import { ALL_CAPABILITIES, type Capability, defaultEndpoint, type Endpoint } from './endpoint.ts';

/** Where other engines keep them; ours first. */
const DIRECTORIES = ['/etc/tsrun/certs.d', '/etc/containerd/certs.d', '/etc/docker/certs.d'];
/** What a host is called that has no directory of its own, in containerd. */
const DEFAULT_NAME = '_default';

/** The endpoints of a registry in the order in which they are asked. TSRUN_CERTS_DIR names another directory than the usual ones. */
export async function endpointsOf(registry: string, env: NodeJS.ProcessEnv): Promise<readonly Endpoint[]> {
  const roots = env.TSRUN_CERTS_DIR ? [env.TSRUN_CERTS_DIR] : DIRECTORIES;
  const candidates = [registry, DEFAULT_NAME].flatMap((name) => roots.map((root) => `${root}/${name}`));
  const directory = candidates.find((path) => existsSync(path));
  const usual = defaultEndpoint(registry);
  if (directory === undefined) return [usual];
  const file = `${directory}/hosts.toml`;
  if (!existsSync(file)) return [{ ...usual, ...certificatesIn(directory) }];
  const { parse } = await import('smol-toml');
  try {
    return readHosts(parse(readFileSync(file, 'utf8')), directory, usual);
  } catch (cause) {
    if (cause instanceof TsrunError) throw cause;
    throw wrong(file, cause instanceof Error ? cause.message : String(cause));
  }
}

/** As Docker: every *.crt is an authority; X.cert is shown, with the key X.key. */
function certificatesIn(directory: string): Pick<Endpoint, 'authorities' | 'client'> {
  const names = namesIn(directory).toSorted();
  const path = (name: string) => `${directory}/${name}`;
  const certificate = names.find((name) => name.endsWith('.cert'));
  return {
    authorities: names.filter((name) => name.endsWith('.crt')).map(path),
    ...(certificate === undefined
      ? {}
      : { client: { certificate: path(certificate), key: path(certificate.replace(/\.cert$/, '.key')) } }),
  };
}

type Table = Readonly<Record<string, unknown>>;

/** https://github.com/containerd/containerd/blob/main/docs/hosts.md */
function readHosts(document: Table, directory: string, usual: Endpoint): readonly Endpoint[] {
  const file = `${directory}/hosts.toml`;
  const { server, host: hosts = {}, ...own } = document;
  if (!isTable(hosts)) throw wrong(file, 'host is no table');
  const mirrors = Object.entries(hosts).map(([url, settings]) => {
    if (!isTable(settings)) throw wrong(file, `host.${JSON.stringify(url)} is no table`);
    return readHost(settings, url, true, usual, directory);
  });
  return [...mirrors, readHost(own, server, false, usual, directory)];
}

function readHost(
  settings: Table,
  address: unknown,
  isMirror: boolean,
  usual: Endpoint,
  directory: string,
): Endpoint {
  const file = `${directory}/hosts.toml`;
  const where = isMirror ? ` of ${JSON.stringify(address)}` : '';
  const {
    capabilities,
    ca,
    client,
    header,
    skip_verify = false,
    override_path = false,
    dial_timeout: _,
    ...rest
  } = settings;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw wrong(file, `${JSON.stringify(unknown)}${where} is no setting that tsrun knows`);
  if (typeof skip_verify !== 'boolean' || typeof override_path !== 'boolean')
    throw wrong(file, `skip_verify and override_path${where} are true or false`);
  const path = (name: string) => resolve(directory, name);
  const [pair] = pairs(client, file);
  return {
    ...usual,
    ...(address === undefined ? {} : { base: baseOf(address, override_path, file), maybePlain: false }),
    isMirror,
    capabilities: readCapabilities(capabilities, file),
    authorities: strings(ca, 'ca', file).map(path),
    ...(pair === undefined ? {} : { client: { certificate: path(pair[0]), key: path(pair[1]) } }),
    headers: readHeaders(header, file),
    verify: !skip_verify,
  };
}

/** The API lies at /v2 below what is given, unless that is already so or override_path says that the path is the whole of it. */
function baseOf(address: unknown, isWhole: boolean, file: string): URL {
  const text = typeof address === 'string' && !address.includes('://') ? `https://${address}` : address;
  if (typeof text !== 'string' || !URL.canParse(text) || !/^https?:\/\//.test(text))
    throw wrong(file, `${JSON.stringify(address)} is no URL of a host`);
  const url = new URL(text);
  url.pathname = url.pathname.replace(/\/+$/, '');
  if (!isWhole && !url.pathname.endsWith('/v2')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v2`;
  return url;
}

function readCapabilities(value: unknown, file: string): readonly Capability[] {
  if (value === undefined) return ALL_CAPABILITIES;
  return strings(value, 'capabilities', file).map((name) => {
    const known = ALL_CAPABILITIES.find((capability) => capability === name);
    if (known === undefined)
      throw wrong(file, `${JSON.stringify(name)} is none of ${ALL_CAPABILITIES.join(', ')}`);
    return known;
  });
}

function readHeaders(value: unknown, file: string): Endpoint['headers'] {
  if (value === undefined) return {};
  if (!isTable(value)) throw wrong(file, 'header is no table');
  return Object.fromEntries(
    Object.entries(value).map(([name, text]) => [
      name.toLowerCase(),
      strings(text, `header.${name}`, file).join(', '),
    ]),
  );
}

/** A file with both, or pairs of a certificate and its key; only the first is used. */
function pairs(value: unknown, file: string): readonly (readonly [string, string])[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((entry) => {
    const [certificate, key] = strings(entry, 'client', file);
    if (certificate === undefined) throw wrong(file, 'client has an empty entry');
    return [certificate, key || certificate];
  });
}

function strings(value: unknown, name: string, file: string): readonly string[] {
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (list.every((item) => typeof item === 'string')) return list;
  throw wrong(file, `${name} is neither a string nor a list of strings`);
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(file: string, problem: string): TsrunError {
  return new TsrunError('REGISTRY_CONFIGURATION', `Cannot use ${file}: ${problem}`, {
    hint: 'docs/registries.md says what may stand there',
  });
}
