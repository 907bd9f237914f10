/**
 * Runs before every test file of the container suites: it gets a network namespace of its own, and after each test, what
 * tsrun could have left on the host is compared with what was there before, and a difference fails the test with a list.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, inject } from 'vitest';
import { type Marks, readHostState } from './host-state.ts';
import { enterOwnNetwork } from './network-host.ts';
import { SLOWNESS } from './under-test.ts';

/** How long the kernel may take to tear down: network namespaces go asynchronously, after their last process. */
const TEARDOWN_MS = 10_000 * SLOWNESS;
const POLL_MS = 20;

const directory = inject('testDirectory');
const id = `${process.pid}-${Date.now()}`;
process.env.TSRUN_TEST_ID = id;
process.env.TMPDIR = `${directory}/tmp`;
mkdirSync(process.env.TMPDIR, { recursive: true });
enterOwnNetwork();

const marks: Marks = {
  directory,
  environment: `TSRUN_TEST_ID=${id}`,
  alone: process.env.CI === 'true' || process.env.TSRUN_VM !== undefined,
};

beforeEach(({ onTestFinished }) => {
  const before = readHostState(marks);
  // Callbacks of onTestFinished run last registered first, and after afterEach: this one sees the test's own
  // cleaning done.
  onTestFinished(async () => {
    const left = await waitForNone(() => [...readHostState(marks)].filter((line) => !before.has(line)));
    if (left.length > 0) throw new Error(`The test left this behind:\n  ${left.join('\n  ')}`);
  });
});

async function waitForNone(read: () => string[]): Promise<string[]> {
  const deadline = Date.now() + TEARDOWN_MS;
  let left = read();
  while (left.length > 0 && Date.now() < deadline) {
    await delay(POLL_MS);
    left = read();
  }
  return left;
}
