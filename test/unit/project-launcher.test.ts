/** bin/tsrun, and the script that adds up the results of the suites. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'project-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('bin/tsrun', () => {
  test('works through a symlink from anywhere', () => {
    const link = join(directory, 'tsrun-link');
    symlinkSync(join(REPOSITORY, 'bin/tsrun'), link);
    expect(execFileSync(link, ['--version'], { cwd: '/', encoding: 'utf8' })).toMatch(/^tsrun version \d/);
  });

  test('works when found by PATH', () => {
    const env = { ...process.env, PATH: `${REPOSITORY}/bin:${process.env.PATH}` };
    expect(execFileSync('sh', ['-c', 'tsrun --version'], { cwd: '/', env, encoding: 'utf8' })).toMatch(
      /^tsrun version/,
    );
  });

  test('lets no warning of Node reach the user', () => {
    const { stderr } = spawnSync(join(REPOSITORY, 'bin/tsrun'), ['--version'], { encoding: 'utf8' });
    expect(stderr).toBe('');
  });

  test('says what to do when its Node is not installed', () => {
    const copy = join(directory, 'checkout/bin');
    mkdirSync(copy, { recursive: true });
    cpSync(join(REPOSITORY, 'bin/tsrun'), join(copy, 'tsrun'));
    const { status, stderr } = spawnSync(join(copy, 'tsrun'), ['--version'], { encoding: 'utf8' });
    expect(status).toBe(125);
    expect(stderr).toMatch(/cannot find the Node it runs on.*\nhint: run `npm run setup`/);
  });
});

describe('the summary of the suites', () => {
  const report = (passed: number, failed: number, skipped: number, files: object[] = []) =>
    JSON.stringify({
      numPassedTests: passed,
      numFailedTests: failed,
      numPendingTests: skipped,
      numTodoTests: 0,
      testResults: files,
    });

  function summarize(
    files: Readonly<Record<string, string>>,
    strict = '',
  ): { line: string; status: number | null } {
    const results = mkdtempSync(join(directory, 'results-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(results, name), text);
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(REPOSITORY, 'scripts/test-summary.ts'), results],
      {
        encoding: 'utf8',
        env: { ...process.env, STRICT: strict },
      },
    );
    return { line: stdout.trim(), status };
  }

  test('adds up reports and the log of the VM', () => {
    const log =
      '== integration\ntests: 1 passed, 0 failed, 0 skipped\n\ntests: 7 passed, 0 failed, 1 skipped\r\n';
    expect(
      summarize({ 'unit.json': report(3, 0, 1), 'native.json': report(2, 0, 0), 'vm.log': log }),
    ).toEqual({
      line: 'tests: 12 passed, 0 failed, 2 skipped',
      status: 0,
    });
  });

  test('fails when a test failed', () => {
    expect(summarize({ 'unit.json': report(3, 1, 0) })).toEqual({
      line: 'tests: 3 passed, 1 failed, 0 skipped',
      status: 1,
    });
  });

  test('counts a file that could not be loaded as failed', () => {
    const broken = { status: 'failed', assertionResults: [] };
    expect(summarize({ 'unit.json': report(3, 0, 0, [broken]) }).line).toBe(
      'tests: 3 passed, 1 failed, 0 skipped',
    );
  });

  test('counts a VM that ended without a summary as failed', () => {
    expect(summarize({ 'unit.json': report(3, 0, 0), 'vm.log': 'Kernel panic\n' }).status).toBe(1);
  });

  test('fails when nothing ran', () => {
    expect(summarize({ 'unit.json': report(0, 0, 0) }).status).toBe(1);
  });

  test('a skip fails in strict mode only', () => {
    expect(summarize({ 'unit.json': report(3, 0, 1) }).status).toBe(0);
    expect(summarize({ 'unit.json': report(3, 0, 1) }, '1').status).toBe(1);
  });
});
