/**
 * One process brings a blob, or unpacks a layer, and the others that want it wait for it. A lock only saves work: who has
 * got it looks first whether the thing is there by now. Its file goes with the lock, or with the next sweep of tmp/.
 */
import { rmSync } from 'node:fs';
import type { Digest, HostPath } from '../lib/brands.ts';
import { FileLock } from './locks.ts';
import type { StorePaths } from './store-paths.ts';

export async function lockMaking(
  paths: StorePaths,
  what: 'blob' | 'layer',
  digest: Digest,
  signal?: AbortSignal,
): Promise<Disposable> {
  const path = `${paths.temporary}/${what}-${digest.replace(':', '-')}.lock` as HostPath;
  const lock = await FileLock.wait(path, 'exclusive', signal);
  return {
    [Symbol.dispose]: () => {
      rmSync(path, { force: true });
      lock[Symbol.dispose]();
    },
  };
}
