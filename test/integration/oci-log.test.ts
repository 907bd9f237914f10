/** `tsrun-oci --debug`: what it says of its steps, and where. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useOci } from '../support/oci.ts';

const oci = useOci();

test('run says its steps on standard error, with times, and nothing without --debug', () => {
  const bundle = oci.bundle({ args: ['echo', 'hello'] });
  const { stdout, stderr } = oci.run('--debug', 'run', '-b', bundle, 'a1');
  expect(stdout).toBe('hello\n');
  const lines = stderr.trimEnd().split('\n');
  for (const line of lines)
    expect(line).toMatch(/^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=debug msg="[^"]+"$/);
  expect(
    Math.abs(Date.now() - Date.parse(stderr.slice('time="'.length, stderr.indexOf('Z"') + 1))),
  ).toBeLessThan(60_000);
  for (const words of ['nsexec container setup', 'child process in init()', 'child: Mounts'])
    expect(stderr).toContain(`msg="${words}"`);
  expect(oci.run('run', '-b', bundle, 'a2').stderr).toBe('');
});

test('create, start and exec say theirs in the log, behind what is there, and nothing on standard error', () => {
  const log = join(oci.scratch, 'log');
  const flags = ['--debug', '--log', log, '--log-format', 'json'];
  const read = () => {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as { level: string; msg: string });
  };
  writeFileSync(log, '{"level":"warning","msg":"of somebody else"}\n');
  const bundle = oci.bundle({ args: ['sleep', '100'] });
  oci.runWith({ stdio: 'ignore' }, ...flags, 'create', '-b', bundle, 'b1');
  const created = read();
  expect(created.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining([
      'of somebody else',
      'nsexec container setup',
      'child process in init()',
      'init: closing the pipe to signal completion',
    ]),
  );
  expect(new Set(created.slice(1).map(({ level }) => level))).toEqual(new Set(['debug']));
  oci.ok(...flags, 'start', 'b1');
  expect(read().length).toBe(created.length);
  expect(oci.run(...flags, 'exec', 'b1', 'sh', '-c', 'ls /proc/self/fd').stdout).toBe('0\n1\n2\n3\n');
  expect(read().at(-1)?.msg).toBe('setns_init: about to exec');
  oci.ok('delete', '-f', 'b1');
});

test('a log that cannot be opened is an error', () => {
  const bundle = oci.bundle({ args: ['true'] });
  const { code, stderr } = oci.run('--debug', '--log', '/nowhere/log', 'run', '-b', bundle, 'c1');
  expect(code).toBe(1);
  expect(stderr).toContain('/nowhere/log');
  expect(existsSync(join(oci.root, 'c1'))).toBe(false);
});
