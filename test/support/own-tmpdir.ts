/**
 * Once per run of the suites that need no root: their temporary files go into a directory of the run's own, and what a test
 * leaves there fails the run.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Node's own, for programs that ask for it: one directory for all. */
const NOT_OF_TESTS = 'node-compile-cache';

export default function prepare(): (() => void) | undefined {
  // Every suite of a run calls this, in one process.
  if (process.env.TSRUN_OWN_TMPDIR !== undefined) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-tests-'));
  process.env.TSRUN_OWN_TMPDIR = directory;
  process.env.TMPDIR = directory;
  return () => {
    const left = readdirSync(directory).filter((name) => name !== NOT_OF_TESTS);
    rmSync(directory, { recursive: true });
    if (left.length > 0) throw new Error(`The tests left temporary files behind: ${left.join(', ')}`);
  };
}
