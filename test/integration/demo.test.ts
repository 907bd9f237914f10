/** `npm run demo`, once everything is installed: what a newcomer sees first. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';
import { REPOSITORY, SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });

test('the demo greets from inside, and what it says of the container is not what it says of the host', async () => {
  const { stdout } = await promisify(execFile)('bash', [join(REPOSITORY, 'scripts/demo.sh')], {
    env: { ...process.env, ...tsrun.env },
    timeout: 20_000 * SLOWNESS,
  });
  expect(stdout).toContain(
    'Hello from inside a container!\n  I am process 1 of a machine that calls itself hello.',
  );
  const answers = new Map(
    stdout.split('\n').map((line) => {
      const [, asked = '', host, inside] = /^ {2}(.{28}) (.{28}) (.*)$/.exec(line) ?? [];
      return [asked.trim(), [host?.trim(), inside]];
    }),
  );
  for (const asked of [
    'host name',
    'name of process 1',
    'entries in /',
    'PID namespace',
    'network namespace',
  ]) {
    const [host, inside] = answers.get(asked) ?? [];
    expect(inside, asked).toBeTruthy();
    expect(inside, asked).not.toBe(host);
  }
  expect(answers.get('network interfaces')?.[1]).toBe('eth0 lo');
  expect(await tsrun.ok('ps', '-a', '-q')).toBe('');
});
