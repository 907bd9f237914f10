/**
 * A registry in the process of the test that serves one image, and misbehaves as the test wants: a script sees each
 * request first. It keeps what was asked, with all headers.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ociFiles, sha256, type TestImage } from './image-archives.ts';

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** Answers a request, or leaves it to the registry by returning false. `before`: how often the same was asked already. */
export type Script = (request: IncomingMessage, response: ServerResponse, before: number) => boolean;

export interface Document {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface ScriptedRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly requests: readonly SeenRequest[];
  /** Digests of the layers, lowest first. */
  readonly layers: readonly string[];
  /** Of the manifest that tags stand for. */
  readonly digest: string;
  script: Script;
  /** How often each blob was asked for. */
  blobRequests(): Readonly<Record<string, number>>;
}

/** `top`: what tags stand for, in place of the image's manifest; and all else that can be asked for by its digest. */
export async function serveImage(
  image: TestImage,
  more: { readonly top?: Document; readonly others?: readonly Document[] } = {},
): Promise<ScriptedRegistry> {
  const files = ociFiles(image);
  const index = JSON.parse(String(files.get('index.json')));
  const entry = index.manifests[0];
  const own: Document = {
    mediaType: entry.mediaType,
    bytes: files.get(`blobs/${entry.digest.replace(':', '/')}`) ?? Buffer.alloc(0),
  };
  const top = more.top ?? own;
  const documents = new Map([own, top, ...(more.others ?? [])].map((each) => [sha256(each.bytes), each]));
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const method = request.method ?? '';
    const before = requests.filter((seen) => seen.path === path && seen.method === method).length;
    requests.push({ method, path, headers: request.headers });
    if (!registry.script(request, response, before)) answer(path, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const registry: ScriptedRegistry = {
    host: `127.0.0.1:${port}`,
    requests,
    layers: JSON.parse(String(own.bytes)).layers.map((layer: { digest: string }) => layer.digest),
    digest: sha256(top.bytes),
    script: () => false,
    blobRequests: () => {
      const asked = requests.flatMap(({ path }) => /\/blobs\/([^?]+)/.exec(path)?.[1] ?? []);
      return Object.fromEntries(
        [...new Set(asked)].map((digest) => [digest, asked.filter((d) => d === digest).length]),
      );
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;

  function answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/?]+)/.exec(path) ?? [];
    if (kind === 'blobs') {
      sendBlob(files.get(`blobs/${name.replace(':', '/')}`), request, response);
      return;
    }
    const found = name.includes(':') ? documents.get(name) : top;
    if (kind === undefined || found === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
      return;
    }
    response.writeHead(200, {
      'content-type': found.mediaType,
      'content-length': found.bytes.length,
      'docker-content-digest': sha256(found.bytes),
    });
    response.end(request.method === 'HEAD' ? undefined : found.bytes);
  }
}

/** The rest of it, when a range is asked for. */
export function sendBlob(
  bytes: Buffer | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (bytes === undefined) {
    response.writeHead(404).end();
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from >= bytes.length && from > 0) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const rest = bytes.subarray(from);
  const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from === 0 ? 200 : 206, { 'content-length': rest.length, ...range });
  response.end(request.method === 'HEAD' ? undefined : rest);
}
