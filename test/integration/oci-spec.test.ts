/** `tsrun-oci spec`: what it writes, beside what runc writes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const TSRUN_OCI = join(import.meta.dirname, '../../bin/tsrun-oci');

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
    const ours = JSON.parse(writeSpec(TSRUN_OCI, ...flags).text);
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
  const { cwd, text } = writeSpec(TSRUN_OCI);
  const { status, stderr } = spawnSync(TSRUN_OCI, ['spec', '-b', cwd, '--rootless'], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('File config.json exists. Remove it first');
  expect(readFileSync(join(cwd, 'config.json'), 'utf8')).toBe(text);
});
