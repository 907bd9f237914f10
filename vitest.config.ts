/**
 * The suites. unit, golden and native need no root and run side by side; integration, systemd and vm start containers,
 * so they run one file at a time and every test is followed by a count of what it left behind.
 */
import { defineConfig } from 'vitest/config';
import { SLOWNESS } from './test/support/under-test.ts';

const node = ['--disable-warning=ExperimentalWarning'];

function plainSuite(name: string) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      pool: 'forks' as const,
      execArgv: node,
      globalSetup: ['test/support/own-tmpdir.ts'],
    },
  };
}

function containerSuite(name: string) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      pool: 'forks' as const,
      execArgv: node,
      fileParallelism: false,
      globalSetup: ['test/support/prepare.ts'],
      setupFiles: ['test/support/leaks-hook.ts'],
      testTimeout: 30_000 * SLOWNESS,
      hookTimeout: 60_000 * SLOWNESS,
    },
  };
}

/** Any runtime against the specification: it stands alone, see docs/conformance-spec.md. */
const conformanceSuite = {
  test: {
    name: 'conformance',
    include: ['test/conformance/*.test.ts'],
    pool: 'forks' as const,
    execArgv: node,
    fileParallelism: false,
    testTimeout: 60_000 * SLOWNESS,
    hookTimeout: 60_000 * SLOWNESS,
  },
};

/** Engines that call tsrun-oci: each test runs the same script of calls twice. */
const enginesSuite = {
  test: { ...containerSuite('engines').test, testTimeout: 300_000, hookTimeout: 300_000 },
};

export default defineConfig({
  test: {
    projects: [
      plainSuite('unit'),
      plainSuite('golden'),
      plainSuite('native'),
      containerSuite('integration'),
      containerSuite('systemd'),
      containerSuite('vm'),
      conformanceSuite,
      enginesSuite,
    ],
  },
});
