/** Who gets to see a password or a token, and who does not. Token servers, hostile registries and proxies run in this process. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server, request as sendRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { openImageStore } from '../../src/image/store.ts';
import { StorePaths } from '../../src/image/store-paths.ts';
import type { HostPath } from '../../src/lib/brands.ts';
import { pullImage } from '../../src/registry/pull.ts';
import { pushImage } from '../../src/registry/push.ts';
import { ociArchive, shellLayer, type TestImage } from '../support/image-archives.ts';
import { temporaryDirectory } from '../support/layers.ts';
import { ip } from '../support/network-host.ts';
import { makeCertificate, startRegistry } from '../support/registry.ts';
import { type ScriptedRegistry, serveImage } from '../support/scripted-registry.ts';
import { startTokenServer } from '../support/token-server.ts';

/** A host that is not this one, as far as anybody can tell: in the network namespace of this file its address is on lo. */
const ELSEWHERE = '203.0.113.9';
const IMAGE: TestImage = { name: 'small:1', layers: [[{ name: 'a', data: 'a' }]] };
const RETRY = { attempts: 2, firstDelayMs: 5, longestDelayMs: 100 };

beforeAll(() => {
  ip('address', 'add', `${ELSEWHERE}/32`, 'dev', 'lo');
});

interface User {
  readonly paths: StorePaths;
  readonly env: Record<string, string>;
  pull(name: string): Promise<unknown>;
}

/** `auths`: what the user's config.json says. The pull's error, or undefined. */
function user(auths: Record<string, unknown> = {}, more: Record<string, string> = {}): User {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ auths }));
  const env = { DOCKER_CONFIG: directory, TSRUN_CERTS_DIR: join(directory, 'certs.d'), ...more };
  const paths = new StorePaths(join(directory, 'data') as HostPath);
  const pull = (name: string) =>
    pullImage(paths, name, { env, retry: RETRY, onLayer: () => undefined }).then(
      () => undefined,
      (error: unknown) => error,
    );
  return { paths, env, pull };
}

const ME = { auth: Buffer.from('me:secret').toString('base64') };

function configure({ env }: User, registry: string, hosts: string): void {
  mkdirSync(join(env.TSRUN_CERTS_DIR ?? '', registry), { recursive: true });
  writeFileSync(join(env.TSRUN_CERTS_DIR ?? '', registry, 'hosts.toml'), hosts);
}

async function listen(server: Server, address: string): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return `${address}:${(server.address() as AddressInfo).port}`;
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

test('a registry that wants tokens gets them: for nobody, with a password, with a refresh token', async () => {
  const directory = temporaryDirectory();
  const certificate = makeCertificate(directory);
  await using tokens = await startTokenServer(certificate, join(directory, 'key.pem'));
  await using registry = await startRegistry({
    directory,
    tokens: { realm: tokens.realm, service: 'registry', certificate },
  });
  writeFileSync(join(directory, 'small.tar'), ociArchive({ ...IMAGE, layers: [shellLayer()] }));
  for (const name of ['public/small', 'private/small'])
    await promisify(execFile)('skopeo', [
      ...['copy', '--dest-tls-verify=false', '--dest-creds', 'me:secret'],
      ...[`oci-archive:${directory}/small.tar`, `docker://${registry.host}/${name}:1`],
    ]);

  const before = tokens.asked.length;
  expect(await user().pull(`${registry.host}/public/small:1`)).toBeUndefined();
  expect(tokens.asked.slice(before)).toEqual([
    { user: '', scope: 'repository:public/small:pull', method: 'GET' },
  ]);
  expect(await user().pull(`${registry.host}/private/small:1`)).toMatchObject({
    code: 'REGISTRY_DENIED',
    hint: expect.stringContaining(`tsrun login ${registry.host}`),
  });
  expect(
    await user({ [registry.host]: { auth: Buffer.from('me:no').toString('base64') } }).pull(
      `${registry.host}/public/small:1`,
    ),
  ).toMatchObject({
    code: 'REGISTRY_UNAUTHORIZED',
    message: expect.stringMatching(/the password of me is wrong or has expired \(asked 127/),
  });
  expect(
    await user({ [registry.host]: { auth: '', identitytoken: 'refresh-me' } }).pull(
      `${registry.host}/private/small:1`,
    ),
  ).toBeUndefined();
  expect(tokens.asked.at(-1)).toEqual({ user: 'me', scope: 'repository:private/small:pull', method: 'POST' });

  const me = user({ [registry.host]: ME });
  expect(await me.pull(`${registry.host}/private/small:1`)).toBeUndefined();
  const asked = tokens.asked.length;
  openImageStore(me.paths.root).tag(`${registry.host}/private/small:1`, `${registry.host}/private/copy:1`);
  const phases: string[] = [];
  await pushImage(me.paths, `${registry.host}/private/copy:1`, {
    env: me.env,
    onLayer: ({ phase }) => phases.push(phase),
  });
  expect(phases).toEqual(['waiting', 'mounted']);
  expect(tokens.asked.slice(asked).map(({ scope }) => scope)).toEqual([
    'repository:private/copy:pull,push',
    'repository:private/copy:pull,push repository:private/small:pull',
  ]);
});

/** A registry that takes only `me:secret`, and another server whose requests are kept. */
async function withPassword(
  act: (registry: ScriptedRegistry, other: { host: string; seen: IncomingHttpHeaders[] }) => Promise<void>,
) {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    response.writeHead(401, { 'www-authenticate': 'Basic realm="give me your password"' }).end();
  });
  await using registry = await serveImage(IMAGE);
  registry.script = (request, response) => {
    if (request.headers.authorization === `Basic ${ME.auth}`) return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    return true;
  };
  try {
    await act(registry, { host: await listen(server, ELSEWHERE), seen });
  } finally {
    await close(server);
  }
}

describe('the password of a registry does not go', () => {
  test('where it redirects to, nor is that host listened to when it asks for one (CVE-2020-15157)', () =>
    withPassword(async (registry, other) => {
      const asked = registry.script;
      registry.script = (request, response, before) => {
        if (asked(request, response, before)) return true;
        if (!request.url?.includes('/blobs/')) return false;
        response.writeHead(307, { location: `http://${other.host}/blob` }).end();
        return true;
      };
      const error = await user({ [registry.host]: ME, [other.host]: ME }).pull(`${registry.host}/small:1`);
      expect(error).toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
      expect(other.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
    }));

  test('to a token server on another host without TLS', () =>
    withPassword(async (registry, other) => {
      registry.script = (_request, response) => {
        response
          .writeHead(401, { 'www-authenticate': `Bearer realm="http://${other.host}/token",service="x"` })
          .end();
        return true;
      };
      expect(await user({ [registry.host]: ME }).pull(`${registry.host}/small:1`)).toMatchObject({
        code: 'REGISTRY_REALM',
        message: expect.stringMatching(
          /its token server 203\.0\.113\.9:\d+ is another host, and is asked without TLS/,
        ),
      });
      expect(other.seen).toEqual([]);
    }));

  test('to a mirror of it', () =>
    withPassword(async (registry, other) => {
      const me = user({ 'big.example': ME });
      configure(me, 'big.example', `server = "http://${registry.host}"\n[host."http://${other.host}"]\n`);
      expect(await me.pull('big.example/small:1')).toBeUndefined();
      expect(other.seen.length).toBeGreaterThan(0);
      expect(other.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    }));
});

test.each(['file:///etc/passwd', 'nonsense', 'http://', ''])(
  'the token server %j is refused',
  async (realm) => {
    await using registry = await serveImage(IMAGE);
    registry.script = (_request, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
      return true;
    };
    expect(await user().pull(`${registry.host}/small:1`)).toMatchObject({ code: 'REGISTRY_REALM' });
  },
);

test('plain HTTP is spoken to this machine only, or where the configuration says so', async () => {
  await using registry = await serveImage(IMAGE);
  const port = registry.host.split(':')[1];
  // The same server, at an address that is not the loopback's.
  const forward = createServer((request, response) => {
    sendRequest(`http://127.0.0.1:${port}${request.url}`, { headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }).end();
  });
  const host = await listen(forward, ELSEWHERE);
  try {
    expect(await user().pull(`${host}/small:1`)).toMatchObject({
      code: 'REGISTRY_NOT_TLS',
      hint: `if it shall be used over plain HTTP, write server = "http://${host}" into /etc/tsrun/certs.d/${host}/hosts.toml`,
    });
    expect(registry.requests).toEqual([]);
    const told = user();
    configure(told, host, `server = "http://${host}"`);
    expect(await told.pull(`${host}/small:1`)).toBeUndefined();
  } finally {
    await close(forward);
  }
});

describe('a proxy', () => {
  /** Passes on what it is asked for, and notes it. */
  async function startProxy(seen: string[]) {
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const target = new URL(request.url ?? '');
      sendRequest(
        `http://127.0.0.1:${target.port}${target.pathname}`,
        { headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      ).end();
    });
    server.on('connect', (request, socket, head) => {
      seen.push(`CONNECT ${request.url}`);
      const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.write(head);
        upstream.pipe(socket).pipe(upstream);
      });
      for (const end of [socket, upstream]) end.on('error', () => undefined);
    });
    return { address: `http://${await listen(server, '127.0.0.1')}`, server };
  }

  test('is asked for a registry that is not excepted, over HTTP and over TLS', async () => {
    const seen: string[] = [];
    const { address, server } = await startProxy(seen);
    try {
      await using plain = await serveImage(IMAGE);
      const at = `proxied.example:${plain.host.split(':')[1]}`;
      const me = user({}, { HTTP_PROXY: address, HTTPS_PROXY: address });
      configure(me, at, `server = "http://${at}"`);
      expect(await me.pull(`${at}/small:1`)).toBeUndefined();
      expect(seen[0]).toBe(`GET http://${at}/v2/small/manifests/1`);

      const directory = temporaryDirectory();
      await using secure = await startRegistry({ directory, tls: true });
      const name = `proxied.example:${secure.host.split(':')[1]}`;
      configure(me, name, `server = "https://${name}"\nca = "${secure.authority}"\nskip_verify = true`);
      expect(await me.pull(`${name}/nothing:1`)).toMatchObject({ code: 'REGISTRY_NOT_FOUND' });
      expect(seen.at(-1)).toBe(`CONNECT ${name}`);
      expect(
        await user({}, { HTTPS_PROXY: address, NO_PROXY: '.example' }).pull(`${name}/nothing:1`),
      ).toMatchObject({ code: 'REGISTRY_UNKNOWN_HOST' });
      expect(await user({}, { HTTPS_PROXY: 'http://127.0.0.1:1' }).pull(`${name}/nothing:1`)).toMatchObject({
        code: 'REGISTRY_REFUSED',
        message: expect.stringContaining('through the proxy http://127.0.0.1:1'),
      });
    } finally {
      await close(server);
    }
  });
});
