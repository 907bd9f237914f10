/**
 * Which proxy a URL is asked for through, from HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's programs (Docker, podman) read
 * them: golang.org/x/net/http/httpproxy. Names in lower case count too.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { isLoopback } from './loopback.ts';

export function proxyFor(url: URL, env: NodeJS.ProcessEnv): string | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = env[name] || env[name.toLowerCase()];
  if (!proxy || isLoopback(url.hostname)) return undefined;
  const exceptions = (env.NO_PROXY || env.no_proxy || '')
    .split(',')
    .map((entry) => entry.trim().toLowerCase());
  if (exceptions.some((entry) => entry !== '' && excepts(entry, url))) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** `*`, an address, a subnet (`10.0.0.0/8`), a domain with all below it (`example.com`), or only below it (`.example.com`); each but a subnet may have a port. */
function excepts(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const [, network = '', bits] = /^([^/]+)\/(\d+)$/.exec(entry) ?? [];
  if (bits !== undefined) return isIP(host) !== 0 && inSubnet(host, network, Number(bits));
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
  if (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false;
  const plain = name.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '');
  if (plain.startsWith('.')) return host.endsWith(plain);
  return host === plain || host.endsWith(`.${plain}`);
}

function inSubnet(host: string, network: string, bits: number): boolean {
  const family = isIPv4(network) ? 'ipv4' : 'ipv6';
  if (isIP(network) === 0 || bits > (family === 'ipv4' ? 32 : 128) || isIP(host) !== isIP(network))
    return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return list.check(host, family);
}
