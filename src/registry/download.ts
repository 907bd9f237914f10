/** A blob as it comes from a registry. A connection that breaks is taken up again where it broke (RFC 9110, Range). */
import type { Descriptor } from '../spec/image.ts';
import type { RegistryClient } from './client.ts';
import { ExchangeError } from './errors.ts';
import type { HttpAnswer } from './http.ts';
import { broken } from './manifests.ts';
import type { Repository } from './repository.ts';
import { backOffMs, wait } from './retry.ts';

/** Errors after which the rest of a blob may still come. A timeout is one here: bytes have come before it. */
const RESUMABLE: ReadonlySet<string> = new Set([
  'REGISTRY_CONNECTION',
  'REGISTRY_REFUSED',
  'REGISTRY_TIMEOUT',
  'REGISTRY_CUT_OFF',
]);

/** The bytes of a blob in order, each once. Nobody has compared them with the digest yet. */
export async function* downloadBlob(repository: Repository, blob: Descriptor): AsyncGenerator<Buffer> {
  const { retry, signal } = repository;
  let received = 0;
  for (let failures = 0; ; ) {
    const before = received;
    try {
      const answer = await repository.first('pull', (client) => ask(repository, client, blob, received));
      try {
        checkLength(repository, blob, answer);
        let skip = answer.status === 200 ? received : 0; // a server that knows no ranges begins anew
        for await (const piece of answer.body) {
          const fresh = piece.subarray(Math.min(skip, piece.length));
          skip -= piece.length - fresh.length;
          received += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
      } finally {
        answer.drop();
      }
      if (received >= blob.size) return;
      throw new ExchangeError(
        'REGISTRY_CUT_OFF',
        `the blob ${blob.digest} ends after ${received} of ${blob.size} bytes`,
      );
    } catch (error) {
      if (!(error instanceof ExchangeError && RESUMABLE.has(error.code))) throw error;
      failures = received > before ? 1 : failures + 1;
      if (failures >= retry.attempts || (error.code === 'REGISTRY_TIMEOUT' && received === before))
        throw error;
    }
    await wait(backOffMs(retry, failures), signal);
  }
}

function ask(
  repository: Repository,
  client: RegistryClient,
  blob: Descriptor,
  from: number,
): Promise<HttpAnswer> {
  return client.send({
    method: 'GET',
    path: `${repository.reference.path}/blobs/${blob.digest}`,
    // What is fetched is hashed as it is: no server on the way shall compress it once more.
    headers: { 'accept-encoding': 'identity', ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
    scopes: [repository.scope('pull')],
    expect: from === 0 ? [200] : [200, 206, 416],
  });
}

/** The end of a blob may be missing where it comes from, not only on the way. */
function checkLength({ reference }: Repository, blob: Descriptor, { status, headers }: HttpAnswer): void {
  const whole =
    status === 200
      ? headers['content-length']
      : /^bytes .*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  if (status !== 416 && (whole === undefined || Number(whole) === blob.size)) return;
  throw broken(
    reference,
    `the blob ${blob.digest} has ${whole ?? 'fewer'} bytes, and the manifest promises ${blob.size}`,
  );
}
