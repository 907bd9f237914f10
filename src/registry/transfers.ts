/** Several blobs on their way at a time, in the order in which they are needed. The first that fails stops the others. */
import type { Digest } from '../lib/brands.ts';
import type { Descriptor } from '../spec/image.ts';

export class ParallelTransfers implements AsyncDisposable {
  readonly #endings = new Map<Digest, PromiseWithResolvers<void>>();
  readonly #stop: AbortController;
  readonly #workers: readonly Promise<void>[];
  #left: number;

  /** `stop` is aborted, with the error as its reason, when one fails; `transfer` shall look at its signal. */
  constructor(
    blobs: readonly Descriptor[],
    parallel: number,
    stop: AbortController,
    transfer: (blob: Descriptor) => Promise<void>,
  ) {
    this.#stop = stop;
    for (const { digest } of blobs) this.#endings.set(digest, Promise.withResolvers());
    for (const { promise } of this.#endings.values()) promise.catch(() => undefined); // thrown where it is awaited
    const queue = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    this.#left = queue.length;
    const work = async () => {
      for (let blob = queue.shift(); blob; blob = queue.shift()) {
        const ending = this.#endings.get(blob.digest);
        await transfer(blob)
          .finally(() => {
            this.#left--;
          })
          .then(ending?.resolve, (error) => {
            stop.abort(error);
            ending?.reject(stop.signal.reason);
          });
      }
    };
    this.#workers = Array.from({ length: parallel }, work);
  }

  /** Resolves when the blob has come or gone; rejects with the error that stopped all. */
  async finished({ digest }: Descriptor): Promise<void> {
    await this.#endings.get(digest)?.promise;
  }

  /** What still runs is stopped, and has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left > 0) this.#stop.abort();
    await Promise.all(this.#workers);
  }
}
