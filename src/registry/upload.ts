/**
 * A blob on its way to a registry (OCI Distribution Specification, Push): nothing when the registry has it, by mounting it from
 * another repository there, in one request, or in pieces: where the connection broke, and where one request is too large.
 */
import { closeSync } from 'node:fs';
import { type BlobFacts, openBlob } from '../image/documents.ts';
import { readBytes } from '../image/read-bytes.ts';
import type { StorePaths } from '../image/store-paths.ts';
import { ExchangeError } from './errors.ts';
import type { HttpAnswer } from './http.ts';
import type { PushPhase } from './layer-event.ts';
import type { Repository } from './repository.ts';
import { backOffMs, wait } from './retry.ts';

export interface Upload {
  readonly paths: StorePaths;
  readonly repository: Repository;
  readonly blob: BlobFacts;
  /** A repository of the same registry that may have the blob. */
  readonly mountFrom: string | undefined;
  readonly say: (phase: PushPhase, bytes: number) => void;
}

/** Where the registry takes the rest of a blob, and how much of it it has. */
interface Session {
  readonly location: URL;
  readonly offset: number;
}

/** What is tried for a piece when a whole blob was too large for a proxy on the way; half of it when that is too large too. */
const FIRST_PIECE_BYTES = 64 * 1024 * 1024;
const SMALLEST_PIECE_BYTES = 1024 * 1024;

export async function uploadBlob(upload: Upload): Promise<void> {
  const { repository, blob, mountFrom, say } = upload;
  const { retry, signal } = repository;
  if (await isThere(repository, blob)) return say('present', blob.size);
  let session = mountFrom === undefined ? undefined : await mount(repository, blob, mountFrom);
  if (session === 'mounted') return say('mounted', blob.size);
  let pieceBytes = Number.POSITIVE_INFINITY;
  for (let failures = 0; ; ) {
    session ??= await begin(repository);
    const before: Session = session;
    try {
      if (before.offset === 0 && pieceBytes >= blob.size) await sendWhole(upload, before);
      else await sendPieces(upload, before, pieceBytes);
      return say('uploaded', blob.size);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      if (error.status === 413 && Math.min(pieceBytes, blob.size) > SMALLEST_PIECE_BYTES) {
        pieceBytes = Math.min(FIRST_PIECE_BYTES, Math.ceil(Math.min(pieceBytes, blob.size) / 2));
        session = undefined;
        continue;
      }
      if (!error.transient) throw error;
      session = await resume(repository, before);
      failures = session !== undefined && session.offset > before.offset ? 1 : failures + 1;
      if (failures >= retry.attempts) throw error;
      await wait(backOffMs(retry, failures), signal);
    }
  }
}

async function isThere(repository: Repository, { digest }: BlobFacts): Promise<boolean> {
  const { status } = await repository.main.send({
    method: 'HEAD',
    path: `${repository.reference.path}/blobs/${digest}`,
    scopes: [repository.scope('pull', 'push')],
    expect: [200, 404],
  });
  return status === 200;
}

/** A registry that does not mount, or whose tokens do not allow it, begins an upload instead. */
async function mount(
  repository: Repository,
  { digest }: BlobFacts,
  from: string,
): Promise<Session | 'mounted'> {
  const answer = await repository.main.send({
    method: 'POST',
    path: `${repository.reference.path}/blobs/uploads/?${new URLSearchParams({ mount: digest, from })}`,
    headers: { 'content-length': '0' },
    scopes: [repository.scope('pull', 'push'), `repository:${from}:pull`],
    expect: [201, 202],
  });
  answer.drop();
  return answer.status === 201 ? 'mounted' : { location: locationOf(answer), offset: 0 };
}

async function begin(repository: Repository): Promise<Session> {
  const answer = await repository.main.send({
    method: 'POST',
    path: `${repository.reference.path}/blobs/uploads/`,
    headers: { 'content-length': '0' },
    scopes: [repository.scope('pull', 'push')],
    expect: [202],
  });
  answer.drop();
  return { location: locationOf(answer), offset: 0 };
}

/** How far the registry has come with an upload; undefined when it has forgotten it. */
async function resume(repository: Repository, { location }: Session): Promise<Session | undefined> {
  const answer = await repository.main.send({
    method: 'GET',
    path: location,
    scopes: [repository.scope('pull', 'push')],
    expect: [204, 404],
  });
  answer.drop();
  return answer.status === 404
    ? undefined
    : { location: locationOf(answer, location), offset: endOf(answer) };
}

async function sendWhole(upload: Upload, { location }: Session): Promise<void> {
  await send(upload, 'PUT', withDigest(location, upload.blob), { from: 0, length: upload.blob.size }, [201]);
}

async function sendPieces(upload: Upload, session: Session, pieceBytes: number): Promise<void> {
  const { blob } = upload;
  let { location, offset } = session;
  while (offset < blob.size) {
    const length = Math.min(pieceBytes, blob.size - offset);
    const answer = await send(upload, 'PATCH', location, { from: offset, length }, [202, 204]);
    location = locationOf(answer, location);
    offset = answer.headers.range === undefined ? offset + length : endOf(answer);
  }
  await send(upload, 'PUT', withDigest(location, blob), { from: blob.size, length: 0 }, [201]);
}

async function send(
  { paths, repository, blob, say }: Upload,
  method: 'PUT' | 'PATCH',
  location: URL,
  part: { readonly from: number; readonly length: number },
  expect: readonly number[],
): Promise<HttpAnswer> {
  const range = method === 'PATCH' ? { 'content-range': `${part.from}-${part.from + part.length - 1}` } : {};
  const answer = await repository.main.send({
    method,
    path: location,
    headers: { 'content-type': 'application/octet-stream', 'content-length': `${part.length}`, ...range },
    body: () => (part.length === 0 ? Buffer.alloc(0) : read(part)),
    scopes: [repository.scope('pull', 'push')],
    expect,
    again: false,
  });
  answer.drop();
  return answer;

  async function* read({ from, length }: typeof part): AsyncGenerator<Buffer> {
    const fd = openBlob(paths, blob);
    try {
      let bytes = from;
      say('uploading', bytes);
      for await (const piece of readBytes(fd, from, length)) {
        yield piece;
        bytes += piece.length;
        say('uploading', bytes);
      }
    } finally {
      closeSync(fd);
    }
  }
}

function locationOf({ url, headers }: HttpAnswer, otherwise?: URL): URL {
  const { location } = headers;
  if (location === undefined && otherwise) return otherwise;
  const to = location !== undefined && URL.canParse(location, url) ? new URL(location, url) : undefined;
  if (to && (to.protocol === 'https:' || to.protocol === url.protocol)) return to;
  throw new ExchangeError(
    'REGISTRY_ANSWER',
    `Cannot upload to ${url.host}: it names no place that can be used`,
  );
}

/** `Range: 0-99` is a hundred bytes; `0-0` is none, as registries have it. */
function endOf({ headers }: HttpAnswer): number {
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(headers.range ?? '')?.[1] ?? 0);
  return last === 0 ? 0 : last + 1;
}

function withDigest(location: URL, { digest }: BlobFacts): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}
