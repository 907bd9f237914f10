/** What was measured, kept as JSON by view, suite and runtime, and shown as tables. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere } from '../../src/lib/files.ts';
import type { View } from './cgroups.ts';
import { RESULTS } from './places.ts';
import type { Outcome } from './run-test.ts';
import type { Verdict } from './suites.ts';

/** One file: RESULTS/VIEW/SUITE/RUNTIME.json. What a test wrote lies in RUNTIME.logs/ beside it. */
export interface SuiteResults {
  readonly view: View;
  readonly suite: string;
  readonly runtime: string;
  /** By the test's id. A test that was run again replaces what was known of it. */
  readonly tests: Readonly<Record<string, TestResult>>;
}

export interface TestResult extends Verdict {
  readonly seconds: number;
  readonly measured: string;
  readonly cgroupsLeft: readonly string[];
}

export function loadResults(view: View, suite: string, runtime: string): SuiteResults {
  const text = readFileIfThere(join(RESULTS, view, suite, `${runtime}.json`));
  return text === undefined ? { view, suite, runtime, tests: {} } : JSON.parse(text);
}

/** Adds one outcome to the file, at once: an interrupted run has lost nothing, and another one may add to it too. */
export function saveOutcome(view: View, suite: string, runtime: string, id: string, outcome: Outcome): void {
  const { output, ...rest } = outcome;
  const directory = join(RESULTS, view, suite);
  const logs = join(directory, `${runtime}.logs`);
  mkdirSync(logs, { recursive: true });
  writeFileSync(join(logs, `${id.replaceAll(/[^\w.-]+/g, '-')}.log`), output.replaceAll('\r', ''));
  const before = loadResults(view, suite, runtime);
  const tests = { ...before.tests, [id]: { ...rest, measured: new Date().toISOString() } };
  writeFileSync(join(directory, `${runtime}.json`), `${JSON.stringify({ ...before, tests }, null, 1)}\n`);
}

/** A row for each of the tests, a column for each runtime, and the sums. */
export function table(ids: readonly string[], columns: readonly SuiteResults[]): string {
  const head = `${columns.map(({ runtime }) => runtime.padEnd(10)).join('')} ${columns[0]?.suite}'s suite, ${columns[0]?.view} view`;
  const rows = ids.map((id) => `${columns.map(({ tests }) => word(tests[id]).padEnd(10)).join('')} ${id}`);
  const sums = (['pass', 'fail', 'skip'] as const).map((result) => {
    const counts = columns.map(({ tests }) => ids.filter((id) => tests[id]?.result === result).length);
    return `${counts.map((count) => String(count).padEnd(10)).join('')} ${result}`;
  });
  return [head, ...rows, '', ...sums].join('\n');
}

function word(test: TestResult | undefined): string {
  if (test === undefined) return '-';
  if (test.result !== 'fail') return test.result;
  return test.reason === 'timeout' ? 'timeout' : 'FAIL';
}

/** What a peer passes and `ours` does not, with the reason; those that all peers pass come first. */
export function compare(peers: readonly SuiteResults[], ours: SuiteResults): string[] {
  return Object.entries(ours.tests)
    .filter(([, { result }]) => result !== 'pass')
    .map(([id, { result, reason }]) => {
      const passing = peers.filter(({ tests }) => tests[id]?.result === 'pass').map(({ runtime }) => runtime);
      return {
        passing,
        line: `${id}\n    ${result}: ${reason ?? ''}\n    passed by ${passing.join(' and ')}`,
      };
    })
    .filter(({ passing }) => passing.length > 0)
    .toSorted((a, b) => b.passing.length - a.passing.length)
    .map(({ line }) => line);
}
