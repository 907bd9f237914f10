/** What the container suites run, and how patient they are with the machine it runs on. */
import { join } from 'node:path';

export const REPOSITORY = join(import.meta.dirname, '../..');

/** Whether it is what users install, dist/ as scripts/build.sh makes it, or the sources as they stand. */
export const INSTALLED = process.env.TSRUN_TEST_DIST === '1';

/** The command `tsrun`. */
export const PROGRAM = join(REPOSITORY, INSTALLED ? 'dist/bin/tsrun' : 'bin/tsrun');

/** Where its libtsrun.so and tsrun-exec lie. */
export const NATIVE_DIRECTORY = join(REPOSITORY, INSTALLED ? 'dist' : 'native/build');

/** How often a time limit is multiplied: the processor of the VM is emulated. */
export const SLOWNESS = process.env.TSRUN_VM === undefined ? 1 : 5;

/** Values for a test that does the same with each: all of them; where the processor is emulated, every fifth. */
export function sample<T>(values: readonly T[]): readonly T[] {
  return values.filter((_, index) => index % SLOWNESS === 0);
}

/** The command `tsrun-oci`, or another runtime with its command line, to see what that one does. */
export const OCI_PROGRAM =
  process.env.TSRUN_TEST_OCI ?? join(REPOSITORY, INSTALLED ? 'dist/bin/tsrun-oci' : 'bin/tsrun-oci');
