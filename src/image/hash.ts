/** Digests. node:crypto takes 8 ms to load, which a start of a container must not pay: it is loaded at the first use. */
import type { Hash } from 'node:crypto';
import type { Digest } from '../lib/brands.ts';

export type DigestAlgorithm = 'sha256' | 'sha512';

export class Digester {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm) {
    this.#algorithm = algorithm;
    this.#hash = process.getBuiltinModule('node:crypto').createHash(algorithm);
  }

  update(bytes: Uint8Array | string): this {
    this.#hash.update(bytes);
    return this;
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}` as Digest;
  }
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The digest of `bytes` in the algorithm of `like`. */
export function digestOf(bytes: Uint8Array, like: Digest): Digest {
  return new Digester(algorithmOf(like)).update(bytes).digest();
}
