/** `tsrun-oci spec`: what it writes, beside what runc writes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OCI_PROGRAM } from '../support/under-test.ts';

function writeSpec(program: string, ...flags: readonly string[]) {
  const cwd = mkdtempSync(join(tmpdir(), 'spec-'));
  const { status, stderr } = spawnSync(program, ['spec', ...flags], { cwd, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return { cwd, text: readFileSync(join(cwd, 'config.json'), 'utf8') };
}

test.each([[[]], [['--rootless']]])(
  "with %j it is runc's, but for the name, the version and more masked paths",
  (flags) => {
    const ours = JSON.parse(writeSpec(OCI_PROGRAM, ...flags).text);
    const theirs = JSON.parse(writeSpec('runc', ...flags).text);
    expect(ours.linux.maskedPaths).toEqual(expect.arrayContaining(theirs.linux.maskedPaths));
    expect({
      ...ours,
      ociVersion: theirs.ociVersion,
      hostname: theirs.hostname,
      linux: { ...ours.linux, maskedPaths: theirs.linux.maskedPaths },
    }).toEqual(theirs);
  },
);

test('a config.json that is there already is kept', () => {
  const { cwd, text } = writeSpec(OCI_PROGRAM);
  const { status, stderr } = spawnSync(OCI_PROGRAM, ['spec', '-b', cwd, '--rootless'], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('File config.json exists. Remove it first');
  expect(readFileSync(join(cwd, 'config.json'), 'utf8')).toBe(text);
});

test('usage and version have the name that the program was called by', () => {
  const link = join(mkdtempSync(join(tmpdir(), 'named-')), 'runc');
  symlinkSync(OCI_PROGRAM, link);
  const say = (program: string, ...words: string[]) => execFileSync(program, words, { encoding: 'utf8' });
  for (const [program, name] of [
    [link, 'runc'],
    [OCI_PROGRAM, 'tsrun-oci'],
  ] as const) {
    expect(say(program, '--help')).toMatch(new RegExp(`^NAME:\n   ${name} - Open .*\n\nUSAGE:\n   ${name} `));
    expect(say(program, 'state', '-h')).toMatch(new RegExp(`^NAME:\n   ${name} state - `));
    expect(say(program, '-v')).toMatch(
      new RegExp(`^${name} version \\d+\\.\\d+\\.\\d+\ncommit: \\w+\nspec: 1\\.\\d+\\.\\d+\n$`),
    );
  }
});
