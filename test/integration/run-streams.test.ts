/** Standard input and output without a terminal: byte for byte, and no hang when a side goes away. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { digestOfOutput, watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('standard input', () => {
  test('reaches the program with -i, byte for byte: 1 MiB through cat', async () => {
    const bytes = randomBytes(MIB);
    const child = tsrun.start('run', '--rm', '-i', 'busybox', 'cat');
    const output = digestOfOutput(child);
    child.stdin?.end(bytes);
    expect(await output).toEqual({ bytes: MIB, sha256: sha256(bytes) });
  });

  test('is empty without -i, and the caller’s own is not read', async () => {
    const script = `printf 'for the caller\\n' | { "${PROGRAM}" run --rm busybox wc -c; cat; }`;
    const { ended } = watch(spawn('sh', ['-c', script], { env: { ...process.env, ...tsrun.env } }));
    expect(await ended).toEqual({ code: 0, stdout: '0\nfor the caller\n', stderr: '' });
  });

  test('ends for the program when the caller’s ends', async () => {
    expect(await tsrun.runWith({ stdin: '' }, 'run', '--rm', '-i', 'busybox', 'wc', '-c')).toEqual({
      code: 0,
      stdout: '0\n',
      stderr: '',
    });
  });
});

describe('standard output', () => {
  test('is exact: 64 MiB of every byte value, with no final newline, and tsrun stays small', async () => {
    const size = 64 * MIB;
    const table = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const expected = createHash('sha256');
    for (let done = 0; done < size; done += table.length) expected.update(table);
    // The program doubles the table 18 times, prints it, and waits until it has been looked at.
    const script =
      'cd /dev/shm; cat > a; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat a a > b; mv b a; done; i=0; while [ $i -lt 64 ]; do cat a; i=$((i+1)); done; exec sleep 60';
    const child = tsrun.start('run', '--rm', '-i', 'busybox', 'sh', '-c', script);
    const hash = createHash('sha256');
    let bytes = 0;
    const whole = Promise.withResolvers<void>();
    child.stdout?.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes === size) whole.resolve();
    });
    child.stdin?.end(table);
    await whole.promise;
    const residentKib = Number(
      /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1],
    );
    const { ended } = watch(child);
    child.kill('SIGKILL');
    await ended;
    await tsrun.ok('ps'); // what the killed one left is swept
    expect({ bytes, sha256: hash.digest('hex') }).toEqual({ bytes: size, sha256: expected.digest('hex') });
    expect(residentKib).toBeLessThan(8 * 1024);
  });

  test('that nobody reads any more ends the program by SIGPIPE, at once', async () => {
    const script = '(while echo line; do :; done); echo "status $?" >&2';
    const piped = `"${PROGRAM}" run --rm busybox sh -c '${script}' | head -n 1`;
    const { ended } = watch(spawn('sh', ['-c', piped], { env: { ...process.env, ...tsrun.env } }));
    expect(await ended).toEqual({ code: 0, stdout: 'line\n', stderr: 'status 141\n' });
  });

  test('of a terminal that nobody reads any more hangs the program up', async () => {
    const script = 'while echo line; do :; done; exit 8';
    const { process, waitFor, ended } = watch(
      tsrun.start('run', '--rm', '-t', 'busybox', 'sh', '-c', script),
    );
    await waitFor(/line/);
    process.stdout?.destroy();
    expect((await ended).code).toBe(8);
  });

  test('and input can be closed by the caller: the program has its three descriptors all the same', async () => {
    const script = `exec 3>&1; "${PROGRAM}" run --rm busybox sh -c 'exec >&2; ls /proc/1/fd; true' 2>&3 >&- <&-`;
    const { ended } = watch(spawn('sh', ['-c', script], { env: { ...process.env, ...tsrun.env } }));
    expect(await ended).toEqual({ code: 0, stdout: '0\n1\n2\n', stderr: '' });
  });
});
