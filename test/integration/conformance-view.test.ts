/** The place in which the conformance suites run: every test has a machine of its own, and leaves nothing on this one. */
import { existsSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cgroupView } from '../../scripts/conformance/cgroups.ts';
import { runTest } from '../../scripts/conformance/run-test.ts';
import type { Suite } from '../../scripts/conformance/suites.ts';
import { ON_V2 } from '../support/live-cgroups.ts';

/** A suite of one test: a shell script. */
function runScript(script: string, timeoutSeconds = 20, interrupt = new AbortController().signal) {
  const suite: Suite = {
    name: 'script',
    listTests: () => [],
    invoke: (_test, runtime) => ({ command: ['sh', '-euc', script], env: { RUNTIME: runtime.path } }),
    judge: (output) => ({ result: output.includes('well') ? 'pass' : 'fail' }),
  };
  const one = { id: 'script', file: '', name: 'script' };
  return runTest(
    suite,
    one,
    { name: 'none', path: '/bin/true' },
    { view: cgroupView(), timeoutSeconds, interrupt },
  );
}

test('a test has a terminal, its runtime, and no process, link or state of the machine in view', async () => {
  const { output, ...verdict } = await runScript(
    'tty; echo $RUNTIME; test -z "$(ls /run | grep -vx -e test -e mount)"; ls /sys/class/net; ls -d /proc/[0-9]* | wc -l; echo well',
  );
  expect(verdict, output).toMatchObject({ result: 'pass', cgroupsLeft: [] });
  const [terminal, runtime, link, processes] = output.split(/\r?\n/);
  expect([terminal, runtime, link]).toEqual([expect.stringMatching('^/dev/pts/'), '/bin/true', 'lo']);
  expect(Number(processes), output).toBeLessThan(9);
});

test('a test that hangs is a failure called timeout, and its processes are gone', async () => {
  const outcome = await runScript('setsid sleep 1000 & sleep 1000', 1);
  expect(outcome).toMatchObject({ result: 'fail', reason: 'timeout', cgroupsLeft: [] });
});

test("the nodes of /dev are copies: what a runtime does to them is not done to the machine's", async () => {
  const before = statSync('/dev/null');
  const { output } = await runScript(
    'chown 7:7 /dev/null; echo x >/dev/null; stat -c %u:%g /dev/null; echo well',
  );
  expect(output).toMatch(/^7:7\r?\nwell/);
  const after = statSync('/dev/null');
  expect([after.uid, after.gid]).toEqual([before.uid, before.gid]);
});

test('an interrupted run throws, and has cleaned up', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 500);
  await expect(runScript('setsid sleep 1000 & sleep 1000', 20, controller.signal)).rejects.toThrow('enough');
});

test('a cgroup that a test leaves is named, and removed', async () => {
  const parent = ON_V2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';
  const { cgroupsLeft } = await runScript(`mkdir -p ${parent}/left/below; echo well`);
  expect(cgroupsLeft.map((path) => path.replace(/^.*\/(left.*)$/, '$1'))).toEqual(['left', 'left/below']);
  for (const path of cgroupsLeft) expect(existsSync(path), path).toBe(false);
});

describe.skipIf(ON_V2)('with cgroup v1', () => {
  test('the root of each hierarchy is the own cgroup of the test', async () => {
    const { output } = await runScript(
      'cat /proc/self/cgroup; cat /sys/fs/cgroup/cpuset/cpuset.cpus; echo well',
    );
    const lines = output.split(/\r?\n/);
    expect(lines).toContainEqual(expect.stringMatching(/^\d+:pids:\/$/));
    expect(lines.at(-3), 'a cpuset that takes processes').toMatch(/^[\d,-]+$/);
  });

  // A frozen process of v1 does not die of SIGKILL, and the PID namespace would wait for it.
  test.each([
    ['that ends', 'echo well', { result: 'pass' }],
    ['that hangs', 'sleep 1000', { result: 'fail', reason: 'timeout' }],
  ])('what a test %s has frozen dies with it', async (_what, end, verdict) => {
    const outcome = await runScript(
      `cd /sys/fs/cgroup/freezer; mkdir cold; sleep 1000 & echo $! >cold/cgroup.procs; echo FROZEN >cold/freezer.state; ${end}`,
      2,
    );
    expect(outcome).toMatchObject({ ...verdict, cgroupsLeft: [expect.stringMatching('/cold$')] });
  });
});
