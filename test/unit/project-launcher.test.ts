/** What starts tsrun, and the script that adds up the results of the suites. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'project-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The script of a checkout, and the program of dist/ in a directory of its own, since dist/ need not have been built. */
const LAUNCHERS = { 'bin/tsrun': checkout, 'native/launcher': installed } as const;

/** A copy of the launcher with its program and, if asked for, its Node around it; returns the launcher's path. */
function checkout(root: string, node: boolean): string {
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync(join(REPOSITORY, 'bin/tsrun'), join(root, 'bin/tsrun'));
  symlinkSync(join(REPOSITORY, 'src'), join(root, 'src'));
  if (node) symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
  return join(root, 'bin/tsrun');
}

function installed(root: string, node: boolean): string {
  mkdirSync(join(root, 'dist/bin'), { recursive: true });
  cpSync(join(REPOSITORY, 'native/build/tsrun'), join(root, 'dist/bin/tsrun'));
  writeFileSync(
    join(root, 'dist/tsrun.cjs'),
    `import(${JSON.stringify(join(REPOSITORY, 'src/cli/main.ts'))});`,
  );
  if (node) symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
  return join(root, 'dist/bin/tsrun');
}

describe.each(Object.entries(LAUNCHERS))('%s', (_name, install) => {
  let root = '';
  let launcher = '';
  beforeAll(() => {
    root = mkdtempSync(join(directory, 'launcher-'));
    launcher = install(root, true);
  });

  test('works through symlinks from anywhere', () => {
    symlinkSync(launcher, join(root, 'link'));
    symlinkSync('link', join(root, 'link-to-link'));
    for (const link of ['link', 'link-to-link'])
      expect(execFileSync(join(root, link), ['--version'], { cwd: '/', encoding: 'utf8' })).toMatch(
        /^tsrun version \d/,
      );
  });

  test('works when called by a relative path', () => {
    expect(execFileSync('./tsrun', ['--version'], { cwd: dirname(launcher), encoding: 'utf8' })).toMatch(
      /^tsrun version/,
    );
  });

  test('works when found by PATH', () => {
    const env = { ...process.env, PATH: `${dirname(launcher)}:${process.env.PATH}` };
    expect(execFileSync('sh', ['-c', 'tsrun --version'], { cwd: '/', env, encoding: 'utf8' })).toMatch(
      /^tsrun version/,
    );
  });

  test('lets no warning of Node reach the user', () => {
    const { stderr } = spawnSync(launcher, ['--version'], { encoding: 'utf8' });
    expect(stderr).toBe('');
  });

  test('keeps the words of Node that are meant for tsrun', () => {
    const { status, stderr } = spawnSync(launcher, ['--env-file', '/nowhere'], { encoding: 'utf8' });
    expect(stderr).toMatch(/'--env-file' is not a tsrun command/);
    expect(status).toBe(125);
  });

  test('says what to do when its Node is not installed', () => {
    const alone = install(mkdtempSync(join(directory, 'alone-')), false);
    const { status, stderr } = spawnSync(alone, ['--version'], { encoding: 'utf8' });
    expect(status).toBe(125);
    expect(stderr).toMatch(/cannot find the Node it runs on.*\nhint: run `npm run setup`/);
  });
});

describe('native/launcher', () => {
  test.each(['dist/node_modules', 'node_modules', '../node_modules'])('finds Node in %s', (place) => {
    const root = join(mkdtempSync(join(directory, 'places-')), 'node_modules/tsrun');
    const launcher = installed(root, false);
    const node = place === '../node_modules' ? join(root, '../node') : join(root, place, 'node');
    mkdirSync(dirname(node), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules/node'), node);
    expect(execFileSync(launcher, ['--version'], { encoding: 'utf8' })).toMatch(/^tsrun version/);
  });

  test('says why its Node cannot be started', () => {
    const root = mkdtempSync(join(directory, 'broken-'));
    const launcher = installed(root, false);
    mkdirSync(join(root, 'node_modules/node/bin'), { recursive: true });
    writeFileSync(join(root, 'node_modules/node/bin/node'), 'text', { mode: 0o644 });
    const { status, stderr } = spawnSync(launcher, ['--version'], { encoding: 'utf8' });
    expect(status).toBe(125);
    expect(stderr).toMatch(/cannot start .*node_modules\/node\/bin\/node: Permission denied\nhint: /);
  });

  test.runIf(process.geteuid?.() === 0)(
    'says what it lacks where /proc is not mounted (root may change its root)',
    () => {
      const root = mkdtempSync(join(directory, 'no-proc-'));
      cpSync(join(REPOSITORY, 'native/build/tsrun'), join(root, 'tsrun'));
      const { status, stderr } = spawnSync('chroot', [root, '/tsrun', '--version'], { encoding: 'utf8' });
      expect(status).toBe(125);
      expect(stderr).toMatch(/cannot read \/proc\/self\/exe: .*\nhint: .*mount -t proc/);
    },
  );
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
