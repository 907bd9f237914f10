/** Chain IDs: the identity of a layer together with all layers below it. OCI Image Specification, config.md. */
import type { Digest } from '../lib/brands.ts';
import { Digester } from './hash.ts';

/** The chain ID of each of `diffIds`, lowest first. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) chain.push(nextChainId(chain.at(-1), diffId));
  return chain;
}

/** ChainID(L0) = DiffID(L0); ChainID(L0|…|Ln) = Digest(ChainID(L0|…|Ln-1) + " " + DiffID(Ln)). */
export function nextChainId(below: Digest | undefined, diffId: Digest): Digest {
  // A sha512 diff ID is digested once more at the bottom, so that each chain ID is a sha256 and names a directory.
  if (below === undefined) return diffId.startsWith('sha256:') ? diffId : sha256(diffId);
  return sha256(`${below} ${diffId}`);
}

function sha256(text: string): Digest {
  return new Digester('sha256').update(text).digest();
}
