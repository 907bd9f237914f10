/**
 * kill -9 at any moment of a `run` on the bridge: after the next command nothing of its network is left. The rounds of one
 * test are few; TSRUN_CRASH_ROUNDS asks for more.
 */
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
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

/** Links go some time after their namespace, and that after its last process. The bridge of the network `names` stays. */
async function settledState(): Promise<readonly string[]> {
  const deadline = Date.now() + 5000 * SLOWNESS;
  for (;;) {
    const state = readNetworkState().filter((line) => !line.includes('br-crash'));
    if (state.length === 0 || Date.now() > deadline) return state;
    await setTimeout(20);
  }
}

/** What a start makes: an address and a cable; and what there is besides on a network with names, with ports of the host. */
const STARTS: readonly (readonly [what: string, ...flags: string[]])[] = [
  ['the default bridge'],
  ['a network of the user', '--network', 'names', '-p', '8080:80', '-p', '8080:80/udp'],
];

test.each(STARTS)(
  'kill -9 of run at a random moment leaves no address, link, rule, lease or namespace after the next command: %s',
  async (_what, ...flags) => {
    await tsrun.ok('network', 'create', '--ipv6', '-o', 'com.docker.network.bridge.name=br-crash', 'names');
    onTestFinished(async () => {
      await tsrun.ok('network', 'rm', 'names');
    });
    const run = ['run', '--rm', ...flags, 'busybox'];
    const begun = Date.now();
    await tsrun.ok(...run, 'true');
    const wholeMs = Date.now() - begun;
    for (let round = 0; round < ROUNDS; round++) {
      const child = tsrun.start(...run, 'sleep', '0.05');
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
