/** Pushing to a registry with a bad line, or behind a proxy that takes no large requests. The registry runs in this process. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { openImageStore } from '../../src/image/store.ts';
import { StorePaths } from '../../src/image/store-paths.ts';
import type { HostPath } from '../../src/lib/brands.ts';
import { pushImage } from '../../src/registry/push.ts';
import { ociArchive, ociFiles, sha256, type TestImage } from '../support/image-archives.ts';
import { pieces, temporaryDirectory } from '../support/layers.ts';

const LARGE = Buffer.from(Uint8Array.from({ length: 5 << 20 }, (_, i) => i ^ (i >> 10)));
const RETRY = { attempts: 4, firstDelayMs: 5, longestDelayMs: 2000 };

interface Uploads extends AsyncDisposable {
  readonly host: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifests: ReadonlyMap<string, Buffer>;
  /** `METHOD Content-Range` of each request that brought bytes. */
  readonly sent: readonly string[];
}

/** `misbehave` answers a request that brings bytes, and says so by true. */
async function acceptUploads(
  misbehave: (request: IncomingMessage, response: ServerResponse, keep: (bytes: Buffer) => void) => boolean,
): Promise<Uploads> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  const sessions = new Map<string, Buffer>();
  const sent: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://registry');
    const status = (code: number, headers = {}) => response.writeHead(code, headers).end();
    const range = (path: string) => {
      const size = sessions.get(path)?.length ?? 0;
      return { location: path, range: `0-${Math.max(0, size - 1)}` };
    };
    if (request.method === 'HEAD') return status(blobs.has(url.pathname.split('/').at(-1) ?? '') ? 200 : 404);
    if (request.method === 'POST') {
      const path = `/session/${sessions.size}`;
      sessions.set(path, Buffer.alloc(0));
      return status(202, { location: path });
    }
    if (url.pathname.includes('/manifests/')) {
      manifests.set(url.pathname, await buffer(request));
      return status(201);
    }
    if (request.method === 'GET') return status(204, range(url.pathname));
    const had = sessions.get(url.pathname) ?? Buffer.alloc(0);
    sent.push(`${request.method} ${request.headers['content-range'] ?? request.headers['content-length']}`);
    if (misbehave(request, response, (bytes) => sessions.set(url.pathname, Buffer.concat([had, bytes]))))
      return;
    const now = Buffer.concat([had, await buffer(request)]);
    sessions.set(url.pathname, now);
    if (request.method === 'PATCH') return status(202, range(url.pathname));
    if (sha256(now) !== url.searchParams.get('digest')) return status(400);
    blobs.set(sha256(now), now);
    status(201);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    manifests,
    sent,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function push(registry: Uploads): Promise<void> {
  const image: TestImage = { name: `${registry.host}/large:1`, layers: [[{ name: 'large', data: LARGE }]] };
  const root = join(temporaryDirectory(), 'data') as HostPath;
  await openImageStore(root).load({ stream: pieces(ociArchive(image)) });
  const { digest } = await pushImage(new StorePaths(root), image.name, {
    env: { TSRUN_REGISTRY_TIMEOUT: '20' },
    retry: RETRY,
    onLayer: () => undefined,
  });
  const files = ociFiles(image);
  const manifest = registry.manifests.get('/v2/large/manifests/1') ?? Buffer.alloc(0);
  expect(sha256(manifest)).toBe(digest);
  for (const blob of [JSON.parse(String(manifest)).config, ...JSON.parse(String(manifest)).layers])
    expect(
      registry.blobs
        .get(blob.digest)
        ?.equals(files.get(`blobs/${blob.digest.replace(':', '/')}`) ?? Buffer.alloc(0)),
    ).toBe(true);
}

const sizeOf = (request: IncomingMessage) => Number(request.headers['content-length']);

test('a blob goes in one request', async () => {
  await using registry = await acceptUploads(() => false);
  await push(registry);
  expect(registry.sent.filter((line) => !line.startsWith('PUT'))).toEqual([]);
  expect(registry.sent).toHaveLength(2);
});

test('a blob goes in pieces where a request is refused as too large', async () => {
  await using registry = await acceptUploads((request, response) => {
    if (sizeOf(request) <= 2 << 20) return false;
    request.resume();
    response.writeHead(413).end();
    return true;
  });
  await push(registry);
  const patches = registry.sent.filter((line) => line.startsWith('PATCH'));
  expect(patches.at(-1)).toMatch(/^PATCH \d+-\d+$/);
  expect(registry.sent.at(-1)).toBe('PUT 0');
});

test('an upload goes on where the connection broke', async () => {
  let breaks = 0;
  await using registry = await acceptUploads((request, response, keep) => {
    if (sizeOf(request) < 1 << 20 || breaks > 0) return false;
    breaks++;
    request.once('data', (bytes) => {
      keep(bytes);
      response.destroy();
    });
    return true;
  });
  await push(registry);
  expect(registry.sent).toContainEqual(expect.stringMatching(/^PATCH [1-9]\d*-\d+$/));
});

test('a bad moment of the registry is waited for', async () => {
  let refused = 0;
  await using registry = await acceptUploads((request, response) => {
    if (refused >= 2) return false;
    refused++;
    request.resume();
    response.writeHead(503).end();
    return true;
  });
  await push(registry);
});
