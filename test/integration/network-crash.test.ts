/**
 * kill -9 at any moment of a `run` on the bridge: after the next command nothing of its network is left. The rounds of one
 * test are few; TSRUN_CRASH_ROUNDS asks for more.
 */
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readNetworkState } from '../support/network-host.ts';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const ROUNDS = Number(process.env.TSRUN_CRASH_ROUNDS ?? 8);

const leases = () => {
  const networks = join(tsrun.runRoot, 'networks');
  return existsSync(networks)
    ? readdirSync(networks).flatMap((network) => readdirSync(join(networks, network)))
    : [];
};

/** Links go some time after their namespace, and that after its last process. */
async function settledState(): Promise<readonly string[]> {
  const deadline = Date.now() + 5000 * SLOWNESS;
  for (;;) {
    const state = readNetworkState();
    if (state.length === 0 || Date.now() > deadline) return state;
    await setTimeout(20);
  }
}

test(
  'kill -9 of run at a random moment leaves no address, link, lease or namespace after the next command',
  async () => {
    const begun = Date.now();
    await tsrun.ok('run', '--rm', 'busybox', 'true');
    const wholeMs = Date.now() - begun;
    for (let round = 0; round < ROUNDS; round++) {
      const child = tsrun.start('run', '--rm', 'busybox', 'sleep', '0.05');
      const ended = once(child, 'exit');
      const momentMs = Math.random() * wholeMs * 1.2;
      await setTimeout(momentMs);
      child.kill('SIGKILL');
      await ended;
      const where = `killed after ${momentMs.toFixed(1)} of ${wholeMs} ms`;
      expect(await tsrun.ok('ps', '-aq'), where).toBe('');
      expect(leases(), where).toEqual([]);
      expect(await settledState(), where).toEqual([]);
      expect(
        readdirSync(tsrun.runRoot).filter((name) => name !== 'networks'),
        where,
      ).toEqual([]);
    }
  },
  (20_000 + ROUNDS * 5000) * SLOWNESS,
);
