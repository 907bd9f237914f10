/**
 * `tsrun system check`: everything in the store is held against what its name or its documents say, and mended where
 * that is possible (store-check.ts). What only a registry has is brought afterwards, when the store is free again.
 */
import { existsSync } from 'node:fs';
import { TsrunError } from '../lib/errors.ts';
import { FileLock } from './locks.ts';
import { familiarName, parseReference } from './reference.ts';
import type { ImageUse } from './remove.ts';
import { StoreCheck } from './store-check.ts';
import type { StorePaths } from './store-paths.ts';
import { startRemoval } from './work.ts';

export interface CheckOptions {
  /** Mends what can be made again from what is sound, and takes away what is of no use; waits until nobody else works in the store. */
  readonly repair: boolean;
  /** What containers use; asked for once nobody can start one, when it repairs. */
  readonly uses: () => readonly ImageUse[];
  /** Brings an image, by repository and digest, from its registry; for a repair. */
  readonly pull: (reference: string) => Promise<unknown>;
}

export interface StoreProblem {
  /** `blob`, `layer` … */
  readonly kind: 'blob' | 'image' | 'layer' | 'resolved' | 'container' | 'orphans' | 'pull';
  /** Which one: a digest, a chain ID, a name. */
  readonly subject: string;
  readonly problem: string;
  /** Names (or IDs) of the images that need it. */
  readonly images: readonly string[];
  /** What was done about it; undefined when it is as it was. */
  readonly repair: string | undefined;
  /** Whether it is sound again. */
  readonly repaired: boolean;
}

export interface CheckResult {
  readonly images: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly layers: number;
  readonly layerBytes: number;
  readonly problems: readonly StoreProblem[];
}

/** Throws IMAGE_DOCUMENT_INVALID when index.json cannot be read: then nobody knows what should be there. */
export async function checkStore(paths: StorePaths, options: CheckOptions): Promise<CheckResult> {
  if (!existsSync(paths.index)) {
    return { images: 0, blobs: 0, blobBytes: 0, layers: 0, layerBytes: 0, problems: [] };
  }
  const first = await checkOnce(paths, options);
  if (!options.repair || first.lost.length === 0) return first.result;
  const failures = await pullAgain(first.lost, options.pull);
  const { result } = await checkOnce(paths, options);
  const isLeft = (problem: StoreProblem) =>
    result.problems.some(({ kind, subject }) => kind === problem.kind && subject === problem.subject);
  const before = first.result.problems.map((problem) =>
    problem.repaired || isLeft(problem) ? problem : { ...problem, repair: 'pulled again', repaired: true },
  );
  const known = (problem: StoreProblem) =>
    before.some(({ kind, subject }) => kind === problem.kind && subject === problem.subject);
  return { ...result, problems: [...before, ...result.problems.filter((p) => !known(p)), ...failures] };
}

async function checkOnce(paths: StorePaths, options: CheckOptions) {
  if (!options.repair) {
    using _lock = await FileLock.wait(paths.workLock, 'shared');
    return await checkHere();
  }
  using work = await startRemoval(paths);
  const found = await checkHere();
  work.done();
  return found;

  async function checkHere() {
    const check = new StoreCheck(paths, options);
    return { result: await check.run(), lost: check.lost() };
  }
}

/** An image that cannot be had is a problem of its own; the others are brought all the same. */
async function pullAgain(
  references: readonly string[],
  pull: CheckOptions['pull'],
): Promise<readonly StoreProblem[]> {
  const failures: StoreProblem[] = [];
  for (const reference of references) {
    try {
      await pull(reference);
    } catch (error) {
      if (!(error instanceof TsrunError)) throw error;
      const subject = familiarName(parseReference(reference));
      failures.push({
        kind: 'pull',
        subject,
        problem: error.message,
        images: [],
        repair: undefined,
        repaired: false,
      });
    }
  }
  return failures;
}
