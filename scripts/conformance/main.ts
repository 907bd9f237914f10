/** `npm run conformance`. The exit status is 1 when tsrun-oci does not pass what runc or crun passes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { EXIT_ENGINE, TsrunError } from '../../src/lib/errors.ts';
import { cgroupView, type View } from './cgroups.ts';
import { type ConformanceOptions, checkRuntime, parseConformanceOptions, type Runtime } from './options.ts';
import { REPOSITORY, RESULTS } from './places.ts';
import { compare, loadResults, type SuiteResults, saveOutcome, table } from './results.ts';
import { type RunOptions, runTest } from './run-test.ts';
import { findSuites, type Suite, type Test } from './suites.ts';

const OURS = 'tsrun-oci';
const PEERS = ['runc', 'crun'];

try {
  const args = process.argv.slice(2);
  const options = parseConformanceOptions(args);
  if (options.compare) process.exitCode = showComparison(options);
  else if (options.vm) process.exitCode = runInMachine(args);
  else
    process.exitCode = await runSuites(options, {
      view: cgroupView(),
      timeoutSeconds: options.timeoutSeconds,
      interrupt: onSignal(),
    });
} catch (error) {
  if (!(error instanceof TsrunError)) throw error;
  process.stderr.write(
    `conformance: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`,
  );
  process.exitCode = error.exitCode;
}

async function runSuites(options: ConformanceOptions, run: RunOptions): Promise<number> {
  options.runtimes.forEach(checkRuntime);
  const suites = findSuites(options.suites, options.runtimeTools);
  for (const suite of suites) {
    const tests = suite.listTests().filter(({ id }) => isWanted(id, options));
    const columns: SuiteResults[] = [];
    for (const runtime of options.runtimes) columns.push(await runSuite(suite, tests, runtime, run));
    const ids = tests.map(({ id }) => id);
    if (ids.length > 0) console.log(`\n${table(ids, columns)}\n`);
  }
  if (!options.runtimes.some(({ name }) => name === OURS)) return 0;
  return suites.some(({ name }) => shortfall(run.view, name, options).length > 0) ? 1 : 0;
}

/** Aborted by what ends programs; the test that runs is ended, and cleaned up after, before we go. */
function onSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const error = new TsrunError('CONFORMANCE_INTERRUPTED', `Interrupted by ${signal}`, {
      exitCode: 128 + constants.signals[signal],
    });
    process.once(signal, () => controller.abort(error));
  }
  return controller.signal;
}

function isWanted(id: string, { words }: ConformanceOptions): boolean {
  return words.length === 0 || words.some((word) => id.includes(word));
}

/** A line for each test that does not pass, as it happens; the table comes at the end. */
async function runSuite(
  suite: Suite,
  tests: readonly Test[],
  runtime: Runtime,
  run: RunOptions,
): Promise<SuiteResults> {
  for (const test of tests) {
    const outcome = await runTest(suite, test, runtime, run);
    saveOutcome(run.view, suite.name, runtime.name, test.id, outcome);
    const left = outcome.cgroupsLeft.length === 0 ? '' : ` (left ${outcome.cgroupsLeft.length} cgroups)`;
    if (outcome.result !== 'pass' || left !== '') {
      console.log(`${runtime.name} ${outcome.result} ${test.id}: ${outcome.reason ?? ''}${left}`);
    }
  }
  return loadResults(run.view, suite.name, runtime.name);
}

/** The same command line inside the machine, which has a disk, as runc's suite wants; the results are written to where they are kept. */
function runInMachine(args: readonly string[]): number {
  mkdirSync(RESULTS, { recursive: true });
  const machine = ['--disk', '--timeout', String(6 * 3600), '--rw-dir', RESULTS, '--'];
  const inside = ['bash', join(import.meta.dirname, 'run.sh'), ...args.filter((word) => word !== '--vm')];
  const command = [join(REPOSITORY, 'scripts/vm/run.sh'), ...machine, ...inside];
  return (
    spawnSync('bash', command, { stdio: 'inherit', env: { ...process.env, INIT_CWD: REPOSITORY } }).status ??
    EXIT_ENGINE
  );
}

function showComparison(options: ConformanceOptions): number {
  let count = 0;
  for (const view of ['v1', 'v2'] as const) {
    for (const { name } of findSuites(options.suites, options.runtimeTools)) {
      const lines = shortfall(view, name, options);
      if (lines.length > 0)
        console.log(`== ${name}'s suite, ${view} view: ${lines.length}\n${lines.join('\n')}\n`);
      count += lines.length;
    }
  }
  return count > 0 ? 1 : 0;
}

/** What a peer passes and tsrun-oci does not, as the kept results have it. */
function shortfall(view: View, suite: string, options: ConformanceOptions): string[] {
  const peers = PEERS.map((runtime) => loadResults(view, suite, runtime));
  const { tests, ...ours } = loadResults(view, suite, OURS);
  const wanted = Object.fromEntries(Object.entries(tests).filter(([id]) => isWanted(id, options)));
  return compare(peers, { ...ours, tests: wanted });
}
