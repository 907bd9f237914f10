/** -m and what goes with it, and --pids-limit: what the kernel does at the limit. */
import { expect, test } from 'vitest';
import { ON_V2, readLimit } from '../support/live-cgroups.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
/** It offers itself first: the shell around it must not be taken for it. */
const HOG = '(echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero)';

/** The container runs its script, and after `up` waits to be killed. */
async function up(name: string, flags: readonly string[], script: string) {
  const running = watch(
    tsrun.start('run', '--rm', '--name', name, ...flags, 'busybox', 'sh', '-c', `${script}; exec sleep 60`),
  );
  await running.waitFor(/up/);
  return {
    end: async () => {
      await tsrun.ok('kill', name);
      return running.ended;
    },
    waitFor: running.waitFor,
  };
}

test('a program that takes more memory than it may is killed: 137', async () => {
  const hog = ['run', '--rm', '-m', '16m', '--memory-swap', '16m', 'busybox', 'tail', '/dev/zero'];
  expect(await tsrun.run(...hog)).toMatchObject({ code: 137, stdout: '' });
});

test('the kernel says that it was the memory limit', async () => {
  const running = await up('hog', ['-m', '16m', '--memory-swap', '16m'], `${HOG}; echo "up $?"`);
  expect(await running.waitFor(/up \d+/)).toBe('up 137\n');
  expect(readLimit(tsrun, 'hog', 'memory.events', 'memory.oom_control')).toMatch(/^oom_kill [1-9]/m);
  await running.end();
});

test('each figure stands in the file of its controller', async () => {
  const flags = ['-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m', '--pids-limit', '50'];
  const running = await up('figures', flags, 'echo up');
  const MIB = 1024 * 1024;
  expect({
    memory: readLimit(tsrun, 'figures', 'memory.max', 'memory.limit_in_bytes'),
    swap: readLimit(tsrun, 'figures', 'memory.swap.max', 'memory.memsw.limit_in_bytes', 'memory'),
    reservation: readLimit(tsrun, 'figures', 'memory.low', 'memory.soft_limit_in_bytes'),
    pids: readLimit(tsrun, 'figures', 'pids.max', 'pids.max'),
  }).toEqual({
    memory: `${64 * MIB}`,
    swap: `${(ON_V2 ? 32 : 96) * MIB}`,
    reservation: `${32 * MIB}`,
    pids: '50',
  });
  await running.end();
});

test('without --memory-swap there is as much swap as memory; with -1 all there is', async () => {
  const swapOf = async (name: string, ...flags: string[]) => {
    const running = await up(name, ['-m', '64m', ...flags], 'echo up');
    const swap = readLimit(tsrun, name, 'memory.swap.max', 'memory.memsw.limit_in_bytes', 'memory');
    await running.end();
    return swap;
  };
  expect(await swapOf('usual')).toBe(`${(ON_V2 ? 64 : 128) * 1024 * 1024}`);
  expect(await swapOf('all', '--memory-swap', '-1')).toMatch(ON_V2 ? /^max$/ : /^\d{18,}$/);
});

test.each([['--memory-swappiness', '0'], ['--oom-kill-disable']])(
  '%s is for cgroup v1, and an error on v2',
  async (...flag) => {
    const { code, stderr } = await tsrun.run('run', '--rm', ...flag, 'busybox', 'true');
    if (ON_V2)
      expect({ code, stderr }).toMatchObject({ code: 125, stderr: /cgroup v2 has none, only v1 does/ });
    else expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  },
);

test('a fork bomb stops at its limit, and leaves nothing', async () => {
  const bomb = 'bomb() { bomb | bomb & }; bomb 2>/dev/null; echo up';
  const running = await up('bomb', ['--pids-limit', '20'], bomb);
  const read = (v2File: string) => readLimit(tsrun, 'bomb', v2File, v2File);
  await expect.poll(() => read('pids.events')).toMatch(/^max [1-9]/);
  expect(Number(read('pids.current'))).toBeLessThanOrEqual(20);
  expect((await running.end()).code).toBe(137);
});
