/** --cpus, --cpu-shares and --cpuset-cpus: how much of the processors a container gets. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ON_V2, pidOf, readLimit, runTime } from '../support/live-cgroups.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const MEASURED_MS = 2000 * SLOWNESS;

/** A container that does nothing but run, in one process. */
async function hog(name: string, ...flags: string[]) {
  const script = 'echo up; while :; do :; done';
  const running = watch(tsrun.start('run', '--rm', '--name', name, ...flags, 'busybox', 'sh', '-c', script));
  await running.waitFor(/up/);
  return {
    pid: pidOf(tsrun, name),
    end: async () => {
      await tsrun.ok('kill', name);
      await running.ended;
    },
  };
}

/** What part of a processor each of them got, over the same time. */
async function measure(pids: readonly number[]): Promise<readonly number[]> {
  const read = () => ({ at: process.hrtime.bigint(), ran: pids.map(runTime) });
  const before = read();
  await delay(MEASURED_MS);
  const after = read();
  return after.ran.map((ran, i) => (ran - (before.ran[i] ?? 0)) / Number(after.at - before.at));
}

// The largest weight there is, for on a busy machine it would get less than it may.
test(
  '--cpus 0.5 gives half a processor',
  async () => {
    const one = await hog('half', '--cpus', '0.5', '--cpu-shares', '262144');
    const [share = 0] = await measure([one.pid]);
    await one.end();
    expect(share).toBeGreaterThan(0.45);
    expect(share).toBeLessThan(0.55);
  },
  20_000 * SLOWNESS,
);

test(
  '1024 and 256 shares of one processor are four to one',
  async () => {
    const same = ['--cpuset-cpus', '0', '--cpu-shares'];
    const [large, small] = [await hog('large', ...same, '1024'), await hog('small', ...same, '256')];
    const [most = 0, least = 1] = await measure([large.pid, small.pid]);
    await Promise.all([large.end(), small.end()]);
    expect(most / least).toBeGreaterThan(3.4);
    expect(most / least).toBeLessThan(4.6);
  },
  20_000 * SLOWNESS,
);

test('each figure stands in the file of its controller', async () => {
  const flags = ['--cpu-quota', '20000', '--cpu-period', '40000', '-c', '512', '--cpuset-cpus', '0'];
  const one = await hog('figures', ...flags, '--cpuset-mems', '0');
  const files: readonly (readonly [string, string, string?])[] = ON_V2
    ? [
        ['cpu.max', ''],
        ['cpu.weight', ''],
        ['cpuset.cpus', ''],
        ['cpuset.mems', ''],
      ]
    : [
        ['', 'cpu.cfs_quota_us'],
        ['', 'cpu.cfs_period_us'],
        ['', 'cpu.shares'],
        ['', 'cpuset.cpus'],
        ['', 'cpuset.mems'],
      ];
  expect(files.map(([v2, v1]) => readLimit(tsrun, 'figures', v2, v1))).toEqual(
    ON_V2 ? ['20000 40000', '50', '0', '0'] : ['20000', '40000', '512', '0', '0'],
  );
  expect(readFileSync(`/proc/${one.pid}/status`, 'utf8')).toMatch(/^Cpus_allowed_list:\t0$/m);
  await one.end();
});

test('realtime is for cgroup v1, and an error on v2', async () => {
  const { code, stderr } = await tsrun.run('run', '--rm', '--cpu-rt-runtime', '1000', 'busybox', 'true');
  if (ON_V2) expect(stderr).toContain('cpu.rt_runtime_us (cgroup v2 has none, only v1 does)');
  else if (code !== 0) expect(stderr).toMatch(/cpu\.rt_runtime_us/);
  expect(code).toBe(ON_V2 || stderr !== '' ? 125 : 0);
});
