/** What no file of the repository may hold: paths of one machine, addresses of registries and mirrors. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');

/** Each has a letter in brackets, so that this file does not hold what it forbids. */
const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: 'a path of one machine', pattern: /\/wor[k]\/(main|shared)|\/tmp\/la[b]\// },
  { what: 'an npm registry', pattern: /registry\.(npmj[s]|yarnpk[g])/ },
  { what: 'a Debian mirror', pattern: /(deb|ftp|security)\.debia[n]\.org/ },
  { what: 'a resolved registry address', pattern: /"resolve[d]": "https?:/ },
];

function trackedFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPOSITORY,
  });
  return list
    .toString()
    .split('\0')
    .filter((name) => name !== '' && isPlainFile(join(REPOSITORY, name)));
}

function isPlainFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

test.each(FORBIDDEN)('no file names $what', ({ pattern }) => {
  const offenders = trackedFiles().flatMap((name) => {
    const lines = readFileSync(join(REPOSITORY, name), 'latin1').split('\n');
    return lines.flatMap((line, index) =>
      pattern.test(line) ? [`${name}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
    );
  });
  expect(offenders).toEqual([]);
});

test('the lock file pins every package by version and integrity, for each platform we run on', () => {
  const lock = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8'));
  const onLinux = Object.entries<LockedPackage>(lock.packages).filter(
    ([name, p]) => name !== '' && (p.os?.includes('linux') ?? true) && !p.libc?.includes('musl'),
  );
  expect(onLinux.length).toBeGreaterThan(10);
  expect(
    onLinux.filter(([, p]) => p.version === undefined || p.integrity === undefined).map(([name]) => name),
  ).toEqual([]);
});

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
}

test('the pinned Node is allowed its install script, and runs', () => {
  const pkg = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  expect(pkg.allowScripts.node).toBe(true);
  const version = execFileSync(join(REPOSITORY, 'node_modules/node/bin/node'), ['--version'], {
    encoding: 'utf8',
  });
  expect(version.trim()).toBe(`v${pkg.dependencies.node}`);
});
