/** NOTIFY_SOCKET of whoever calls `tsrun-oci`: a program inside says that it is ready, and the caller hears of it. sd_notify(3). */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, inject, test } from 'vitest';
import { useOci } from '../support/oci.ts';
import { OCI_PROGRAM } from '../support/under-test.ts';

const oci = useOci();

/** More than the line that counts, from a program that then goes on or ends. */
const READY = ['STATUS=beginning', 'READY=1\nMAINPID=1\nSTOPPING=1'];

function bundle(messages: readonly string[], user = 0): string {
  const root = oci.rootfs();
  copyFileSync(inject('notifyPeer'), join(root, 'bin/notify-peer'));
  const config = { root: { path: root } };
  return oci.bundle({
    args: ['notify-peer', 'send', ...messages],
    config,
    process: { user: { uid: user, gid: 0 } },
  });
}

/** Takes `count` messages; `heard` is all of them. */
async function listen(path: string, count: number) {
  const peer = spawn(inject('notifyPeer'), ['listen', path, `${count}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const heard = text(peer.stdout);
  await new Promise((resolve) => peer.stdout.once('data', resolve));
  return { env: { NOTIFY_SOCKET: path }, heard, end: () => peer.kill() };
}

const ready = (pid: number | undefined) => `listening\nREADY=1\\n\nMAINPID=${pid}\\n\n`;

test('start returns when the container is ready, and says so of its first process', async () => {
  const { env, heard } = await listen(join(oci.scratch, 'a.sock'), 2);
  const options = { stdio: 'ignore', env } as const;
  expect(oci.runWith(options, 'create', '-b', bundle([...READY, 'stay'], 1000), 'a1').code).toBe(0);
  expect(oci.runWith(options, 'start', 'a1').code).toBe(0);
  expect(await heard).toBe(ready(oci.pid('a1')));
  // Nobody waits for what is added later.
  expect(oci.ok('exec', 'a1', 'env')).not.toContain('NOTIFY_SOCKET');
  oci.ok('delete', '-f', 'a1');
});

test('run -d returns when the container is ready; the socket may have an abstract name', async () => {
  const { env, heard } = await listen(`@tsrun-test-${process.pid}`, 2);
  expect(
    oci.runWith({ stdio: 'ignore', env }, 'run', '-d', '-b', bundle([...READY, 'stay']), 'b1').code,
  ).toBe(0);
  expect(await heard).toBe(ready(oci.pid('b1')));
  oci.ok('delete', '-f', 'b1');
});

test('run itself is the main process', async () => {
  const { env, heard } = await listen(join(oci.scratch, 'c.sock'), 2);
  const args = ['--root', oci.root, 'run', '-b', bundle([...READY, 'stay']), 'c1'];
  const run = spawn(OCI_PROGRAM, args, { stdio: 'ignore', env: { ...process.env, ...env } });
  expect(await heard).toBe(ready(run.pid));
  oci.ok('kill', 'c1', 'KILL');
  await new Promise((resolve) => run.once('exit', resolve));
});

describe('a program that ends', () => {
  test('without a word is not waited for any longer', async () => {
    const { env, end, heard } = await listen(join(oci.scratch, 'd.sock'), 1);
    expect(oci.runWith({ stdio: 'ignore', env }, 'run', '-d', '-b', bundle(['STATUS=1']), 'd1').code).toBe(0);
    oci.runWith({ stdio: 'ignore', env }, 'create', '-b', bundle(['STATUS=1']), 'd2');
    expect(oci.runWith({ stdio: 'ignore', env }, 'start', 'd2').code).toBe(0);
    end();
    expect(await heard).toBe('listening\n');
    for (const id of ['d1', 'd2']) oci.ok('delete', '-f', id);
  });

  test('right after its word is heard', async () => {
    const { env, heard } = await listen(join(oci.scratch, 'e.sock'), 2);
    expect(oci.runWith({ stdio: 'ignore', env }, 'run', '-d', '-b', bundle(READY), 'e1').code).toBe(0);
    expect(await heard).toMatch(/READY=1.*MAINPID=/s);
    oci.ok('delete', '-f', 'e1');
  });
});

test('where nobody listens nothing is started, and without the variable there is no socket', () => {
  const env = { NOTIFY_SOCKET: join(oci.scratch, 'nobody.sock') };
  const { code, stderr } = oci.runWith({ env }, 'run', '-b', bundle(READY), 'f1');
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('nobody.sock') });
  expect(existsSync(join(oci.root, 'f1'))).toBe(false);
  expect(oci.ok('run', '-b', oci.bundle({ args: ['ls', '/'] }), 'f2')).not.toContain('run');
});
