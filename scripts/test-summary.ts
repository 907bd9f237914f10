/**
 * `test-summary.ts DIRECTORY`: adds up vitest's JSON reports and the summary lines of logs in DIRECTORY, prints
 * one line, and exits with 1 when a test failed, when nothing ran, or when STRICT=1 and a test was skipped.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const directory = process.argv[2] ?? '.';
const total = readdirSync(directory).map(readCounts).reduce(add, { passed: 0, failed: 0, skipped: 0 });
console.log(`\ntests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
const strict = process.env.STRICT === '1';
process.exitCode = total.failed > 0 || total.passed === 0 || (strict && total.skipped > 0) ? 1 : 0;

function readCounts(file: string): Counts {
  const text = readFileSync(join(directory, file), 'utf8');
  return file.endsWith('.json') ? countsOfReport(JSON.parse(text)) : countsOfLog(text);
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

function countsOfReport(report: VitestReport): Counts {
  // A file that could not even be loaded has no tests, so it counts as one that failed.
  const broken = report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** A run inside a machine ends with its own summary line; without one it did not get to its end. */
function countsOfLog(text: string): Counts {
  const last = [...text.matchAll(/^tests: (\d+) passed, (\d+) failed, (\d+) skipped\s*$/gm)].at(-1);
  if (last === undefined) return { passed: 0, failed: 1, skipped: 0 };
  return { passed: Number(last[1]), failed: Number(last[2]), skipped: Number(last[3]) };
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
