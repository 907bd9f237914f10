/** A container's own terminal, and what becomes of the terminal that tsrun was started in. */

import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import {
  type Change,
  gone,
  helperPid,
  type Ran,
  type Running,
  removeCgroup,
  useBundles,
} from '../support/bundle.ts';

const bundles = useBundles();

const IN_TERMINAL: Change = {
  inTerminal: { rows: 33, columns: 111 },
  process: { terminal: true },
  interactive: true,
};
const start = (script: string, change: Change = {}) =>
  bundles.start({ ...IN_TERMINAL, ...change }, 'sh', '-c', script);
const type = (running: Running, text: string) => running.process.stdin?.write(text);

/** The modes of the caller's terminal, before and after. */
function modes({ stdout }: Pick<Ran, 'stdout'>): string[] {
  return [...stdout.matchAll(/^modes (\S+)\r$/gm)].map((match) => match[1] ?? '');
}

function expectRestored(ran: Pick<Ran, 'stdout'>): void {
  const [before, after, ...more] = modes(ran);
  expect(more).toEqual([]);
  expect(before).toMatch(/^[0-9a-f:]+$/);
  expect(after).toBe(before);
}

test('it is a terminal of the container, with the size of the caller', async () => {
  const running = start(
    'tty; stty size; test -c /dev/console && echo console; cat < /proc/self/stat | cut -d" " -f7 2>/dev/null; ls -l /proc/1/fd | grep -c pts/0',
  );
  const ran = await running.ended;
  expect(ran).toMatchObject({ exitCode: 0 });
  expect(ran.stdout).toContain('/dev/pts/0\r\n33 111\r\nconsole\r\n');
  expectRestored(ran);
});

test('keys are passed on as they are, and Ctrl-C is the business of the container', async () => {
  const running = start(
    'trap "echo interrupted; exit 5" INT; echo ready; while true; do sleep 1000 & wait; done',
  );
  await running.waitFor(/ready/);
  type(running, '\u0003');
  const ran = await running.ended;
  expect(ran).toMatchObject({ exitCode: 5, stdout: expect.stringContaining('interrupted') });
  expectRestored(ran);
});

test('it follows when the terminal of the caller is resized', async () => {
  const running = start('trap "stty size; exit 0" WINCH; echo ready; while true; do sleep 1000 & wait; done');
  await running.waitFor(/ready/);
  (running.process.stdio[3] as Writable).write('20 70\n');
  const ran = await running.ended;
  expect(ran.stdout).toContain('20 70\r\n');
  expectRestored(ran);
});

describe('with more typed than a terminal holds', () => {
  /** From a pipe, for the terminal of a test would be full itself. */
  const piped: Change = { process: { terminal: true }, interactive: true };
  const typed = 'x'.repeat(300_000);

  test('all of it comes back from a program that prints what it reads', async () => {
    const running = bundles.start(piped, 'sh', '-c', 'stty raw -echo; echo ready; exec head -c 300000');
    await running.waitFor(/ready/);
    running.process.stdin?.write(typed);
    const ran = await running.ended;
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout.match(/x/g)?.length).toBe(typed.length);
  });

  test('a program that reads nothing can still print, be signalled, and end', async () => {
    const script =
      'stty raw -echo; trap "seq 30000; exit 6" TERM; echo ready; while true; do sleep 1000 & wait; done';
    const running = bundles.start(piped, 'sh', '-c', script);
    await running.waitFor(/ready/);
    running.process.stdin?.write(typed);
    process.kill(helperPid(running), 'SIGTERM');
    const ran = await running.ended;
    expect(ran.exitCode).toBe(6);
    expect(ran.stdout).toMatch(/\n30000\n/);
  });
});

test('the last output before the end is not lost', async () => {
  const ran = await start('seq 3000; echo the end').ended;
  expect(ran.stdout).toContain('3000\r\nthe end\r\n');
});

describe('the terminal of the caller is as it was', () => {
  test('when the start failed', async () => {
    const ran = await bundles.run({ ...IN_TERMINAL }, 'nope');
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'execve' } });
    expectRestored(ran);
  });

  test('when the container was killed', async () => {
    const running = start('echo ready; exec sleep 1000');
    await running.waitFor(/ready/);
    process.kill(childOf(helperOf(running)), 'SIGKILL');
    const ran = await running.ended;
    expect(ran.exitCode).toBe(137);
    expectRestored(ran);
  });
});

test('when the helper is killed, the container goes with its terminal', async () => {
  const running = start('echo ready; exec sleep 1000');
  await running.waitFor(/ready/);
  const [helper, pid] = [helperOf(running), childOf(helperOf(running))];
  process.kill(helper, 'SIGKILL');
  await gone(pid);
  await running.ended;
  await removeCgroup(running);
});

test('without -i nothing that is typed goes in', async () => {
  const running = start('echo ready; read -t 1 line; echo "got <$line>"', { interactive: false });
  await running.waitFor(/ready/);
  type(running, 'secret\r');
  expect((await running.ended).stdout).toContain('got <>');
});

test('a /dev/console of the image is replaced, not followed (CVE-2025-52565)', async () => {
  const ran = await start('readlink /dev/console; stat -c %t /dev/console').ended;
  expect(ran.stdout).toMatch(/\n88\r\n/);
});

/** pty → sh → node → tsrun-exec → the container */
function helperOf(running: Running): number {
  return childOf(childOf(childOf(running.process.pid ?? 0)));
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}
