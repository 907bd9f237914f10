/** The userland proxy between clients and servers of every kind, in a build with AddressSanitizer and UBSan: see traffic.c. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const NATIVE = join(import.meta.dirname, '../../../native');
const SANITIZE = [
  ...['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-static-libasan'],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsrun-proxy-'));
  const sources = ['traffic.c', 'harness.c'].map((name) => join(import.meta.dirname, name));
  execFileSync('cc', [
    ...['-std=c11', '-Wall', '-Wextra', ...SANITIZE, '-I', NATIVE, '-o', join(folder, 'traffic')],
    ...[...sources, join(NATIVE, 'exec/proxy.c')],
  ]);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** A new way of `random` is a new seed: the long run is `traffic random SEED 1000000`. */
test.each([
  [
    'connections that are half closed, reset, stalled and large, and datagrams of many clients',
    'random 1 6000',
  ],
  ['the same, in another order', 'random 2 6000'],
  ['a server that answers and breaks off while the client still sends', 'early-answer'],
  ['a client that breaks off while the server reads nothing', 'stalled'],
  ['idle connections, which cost next to no memory', 'idle'],
  ['more clients than descriptors', 'crowd'],
  ['a flood of datagrams, beside which connections are served', 'flood'],
  ['a request in two small pieces, without a wait for an acknowledgement', 'small-writes'],
])('%s', { timeout: 120_000 }, (_, traffic) => {
  const { status, stdout, stderr } = spawnSync(join(folder, 'traffic'), traffic.split(' '), {
    encoding: 'utf8',
    env: { ...process.env, ASAN_OPTIONS: 'quarantine_size_mb=1' },
  });
  expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: 'good\n' });
});
