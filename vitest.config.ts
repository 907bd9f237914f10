/**
 * The suites. unit, golden and native need no root and run side by side; integration and vm start containers,
 * so they run one file at a time and every test is followed by a count of what it left behind.
 */
import { defineConfig } from 'vitest/config';

const node = ['--disable-warning=ExperimentalWarning'];

/** The processor of the VM is emulated. */
const slowness = process.env.TSRUN_VM === undefined ? 1 : 4;

function plainSuite(name: string) {
  return { test: { name, include: [`test/${name}/**/*.test.ts`], pool: 'forks' as const, execArgv: node } };
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
      testTimeout: 30_000 * slowness,
      hookTimeout: 60_000 * slowness,
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      plainSuite('unit'),
      plainSuite('golden'),
      plainSuite('native'),
      containerSuite('integration'),
      containerSuite('vm'),
    ],
  },
});
