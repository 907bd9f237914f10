/** Several downloads at a time, in the order in which they are needed. The first that fails stops the others. */
import type { Digest } from '../lib/brands.ts';
import type { Descriptor } from '../spec/image.ts';

export class Downloads implements AsyncDisposable {
  readonly #arrivals = new Map<Digest, PromiseWithResolvers<void>>();
  readonly #stop: AbortController;
  readonly #workers: readonly Promise<void>[];

  /** `stop` is aborted, with the error as its reason, when one fails; `fetch` shall look at its signal. */
  constructor(
    blobs: readonly Descriptor[],
    parallel: number,
    stop: AbortController,
    fetch: (blob: Descriptor) => Promise<void>,
  ) {
    this.#stop = stop;
    for (const { digest } of blobs) this.#arrivals.set(digest, Promise.withResolvers());
    for (const { promise } of this.#arrivals.values()) promise.catch(() => undefined); // thrown where it is awaited
    const queue = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const work = async () => {
      for (let blob = queue.shift(); blob; blob = queue.shift()) {
        const arrival = this.#arrivals.get(blob.digest);
        await fetch(blob).then(arrival?.resolve, (error) => {
          stop.abort(error);
          arrival?.reject(stop.signal.reason);
        });
      }
    };
    this.#workers = Array.from({ length: parallel }, work);
  }

  /** Resolves when the blob is there; rejects with the error that stopped the downloads. */
  async arrived({ digest }: Descriptor): Promise<void> {
    await this.#arrivals.get(digest)?.promise;
  }

  /** What still runs is stopped, and has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#workers);
  }
}
