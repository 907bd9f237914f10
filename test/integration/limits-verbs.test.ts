/** What a person sees of limits: OOM kills, info, stats, update; seen from the kernel's files and from inside. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ContainerCgroups } from '../../src/cgroup/host.ts';
import { type Running, watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const PURE_V2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** A container that runs the script after it has said `up`; it is removed after the test. */
async function up(name: string, flags: readonly string[], script: string): Promise<Running> {
  const running = watch(
    tsrun.start('run', '--name', name, ...flags, 'busybox', 'sh', '-c', `echo up; ${script}`),
  );
  onTestFinished(async () => {
    await tsrun.ok('rm', '-f', name);
  });
  await running.waitFor(/up/);
  return running;
}

async function kill(name: string, running: Running): Promise<void> {
  await tsrun.ok('kill', name);
  await running.ended;
}

const inspect = async (name: string) => JSON.parse(await tsrun.ok('inspect', name))[0];

/** The file of the container's cgroup that has one of these names: in v2, or in the v1 hierarchy of the controller. */
async function cgroupFile(name: string, controller: string, v2File: string, v1File: string): Promise<string> {
  const { Id } = await inspect(name);
  const record = JSON.parse(readFileSync(join(tsrun.dataRoot, 'containers', Id, 'config.json'), 'utf8'));
  const { v2, v1 } = record.cgroups as ContainerCgroups;
  const path = PURE_V2 ? join(v2 ?? '', v2File) : join(v1[controller] ?? '', v1File);
  return readFileSync(path, 'utf8').trim();
}

const memoryLimit = (name: string) => cgroupFile(name, 'memory', 'memory.max', 'memory.limit_in_bytes');
const MIB = 1024 * 1024;
/** More than the limit of the tests below. */
const HOG = 'dd if=/dev/zero of=/dev/null bs=60M count=1';

describe('a container that takes more memory than it may', () => {
  test('is killed by the kernel: 137, and inspect and ps tell of it', async () => {
    onTestFinished(async () => {
      await tsrun.ok('rm', 'hog');
    });
    const { code } = await tsrun.run(
      'run',
      '--name',
      'hog',
      '-m',
      '20m',
      'busybox',
      'sh',
      '-c',
      `exec ${HOG}`,
    );
    expect(code).toBe(137);
    expect((await inspect('hog')).State).toMatchObject({ OOMKilled: true, ExitCode: 137, Status: 'exited' });
    expect(await tsrun.ok('ps', '-a')).toMatch(/ Exited \(137\) .* ago +hog\n$/);
  });

  test('ends with 137 also with --rm, without a word', async () => {
    expect(await tsrun.run('run', '--rm', '-m', '20m', 'busybox', 'sh', '-c', `exec ${HOG}`)).toEqual({
      code: 137,
      stdout: '',
      stderr: '',
    });
  });

  test('may lose a child only: that counts as well, and the exit status is its own', async () => {
    onTestFinished(async () => {
      await tsrun.ok('rm', 'parent');
    });
    const script = `${HOG}; exit 3`;
    const { code } = await tsrun.run('run', '--name', 'parent', '-m', '20m', 'busybox', 'sh', '-c', script);
    expect(code).toBe(3);
    expect((await inspect('parent')).State).toMatchObject({ OOMKilled: true, ExitCode: 3 });
  });

  test('is told apart from one that was killed by hand', async () => {
    const running = await up('victim', ['-m', '20m'], 'exec sleep 1000');
    await kill('victim', running);
    expect((await inspect('victim')).State).toMatchObject({ OOMKilled: false, ExitCode: 137 });
  });
});

describe('info', () => {
  test('has the layout of docker info, and what the kernel says', async () => {
    const lines = (await tsrun.ok('info')).split('\n');
    const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
    expect(lines).toEqual(
      expect.arrayContaining([
        'Containers: 0',
        ' Running: 0',
        'Storage Driver: overlay2',
        'Cgroup Driver: cgroupfs',
        `Cgroup Version: ${PURE_V2 ? 2 : 1}`,
        expect.stringMatching(/^ Controllers: .*\bmemory\b.*\bpids\b/),
        `Kernel Version: ${kernel}`,
        `Data Root: ${tsrun.dataRoot}`,
      ]),
    );
  });

  test('warns of controllers that are missing, and of nothing else', async () => {
    const { stderr } = await tsrun.run('info');
    const { CgroupControllers, Warnings } = JSON.parse(await tsrun.ok('info', '--format', 'json'));
    expect(stderr).toBe(Warnings.map((line: string) => `${line}\n`).join(''));
    const has = (name: string) => CgroupControllers.includes(name);
    expect(stderr.includes('No cgroup controller cpuset')).toBe(!has('cpuset'));
    expect(stderr).not.toContain('No cgroup controller memory');
  });

  test('--format takes a template, and refuses a field that is not there', async () => {
    expect(await tsrun.ok('info', '-f', '{{.OSType}} {{.CgroupVersion}}')).toBe(`linux ${PURE_V2 ? 2 : 1}\n`);
    const { code, stderr } = await tsrun.run('info', '-f', '{{.Nothing}}');
    expect(code).toBe(125);
    expect(stderr).toMatch(
      /^tsrun: Cannot use --format "\{\{\.Nothing}}": there is no field Nothing\nhint: the fields are /,
    );
  });
});

describe('stats', () => {
  const stats = async (name: string) =>
    JSON.parse(await tsrun.ok('stats', '--no-stream', '--format', 'json', name)) as Record<string, string>;

  test('tells what the kernel counts: processor, memory, processes', async () => {
    // 30 MB in a file of the container's own: /dev/shm counts as its memory, and is not given back.
    const script =
      'dd if=/dev/zero of=/dev/shm/f bs=1M count=30 2>/dev/null; sleep 1000 & echo full; while :; do :; done';
    const running = await up(
      'busy',
      ['--network', 'none', '-m', '100m', '--cpus', '0.5', '--pids-limit', '20'],
      script,
    );
    await running.waitFor(/full/);
    const row = await stats('busy');
    expect(row).toMatchObject({ Name: 'busy', NetIO: '0B / 0B', PIDs: '2' });
    // It wants half a processor, and gets less of it where others work.
    expect(Number.parseFloat(row.CPUPerc ?? '')).toBeGreaterThan(2);
    expect(Number.parseFloat(row.CPUPerc ?? '')).toBeLessThan(60);
    const [, used, limit] = /^([\d.]+)MiB \/ (\S+)$/.exec(row.MemUsage ?? '') ?? [];
    expect(Number(used)).toBeGreaterThan(29);
    expect(Number(used)).toBeLessThan(40);
    expect(limit).toBe('100MiB');
    expect(Number.parseFloat(row.MemPerc ?? '')).toBeCloseTo(Number(used), 0);
  });

  test('shows what nobody counts as --, and containers that do not run only when asked', async () => {
    const running = await up('idle', ['--network', 'host'], 'exec sleep 1000');
    expect(await stats('idle')).toMatchObject({ NetIO: '--', PIDs: '1' });
    await kill('idle', running);
    const header = 'CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %   NET I/O   BLOCK I/O   PIDS\n';
    expect(await tsrun.ok('stats', '--no-stream')).toBe(header);
    const [, line = ''] = (await tsrun.ok('stats', '--no-stream', '-a')).split('\n');
    expect(line).toMatch(/^[0-9a-f]{12} {3}idle {3}-- {6}-- \/ -- {13}-- {6}-- {8}-- {10}--$/);
  });

  test('draws a live table on a terminal, and ends with what it shows', async () => {
    const running = await up('live', [], 'exec sleep 1000');
    const screen = tsrun.terminal({ rows: 24, columns: 120 }, 'stats', 'live');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the screen is cleared by them
    await screen.waitFor(/\x1b\[H\x1b\[JCONTAINER ID[^\x1b]*live[^\x1b]*\x1b\[H\x1b\[JCONTAINER ID/);
    await kill('live', running);
    expect((await screen.finished).code).toBe(0);
  });

  test('is refused for a container that is not there, and a format that cannot be', async () => {
    expect(await tsrun.run('stats', '--no-stream', 'nosuch')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'tsrun: No such container: nosuch\nhint: tsrun ps -a lists them\n',
    });
    expect((await tsrun.run('stats', '--format', '{{range .}}')).code).toBe(125);
  });
});

describe('update', () => {
  test('takes effect at once, grows and shrinks, and is on record', async () => {
    await up('grown', ['-m', '20m', '--memory-swap', '40m'], 'exec sleep 1000');
    expect(await tsrun.ok('update', '-m', '100m', '--memory-swap', '200m', 'grown')).toBe('grown\n');
    expect(await memoryLimit('grown')).toBe(`${100 * MIB}`);
    expect(await tsrun.ok('update', '-m', '10m', '--memory-swap', '10m', 'grown')).toBe('grown\n');
    expect(await memoryLimit('grown')).toBe(`${10 * MIB}`);
    expect(await cgroupFile('grown', 'memory', 'memory.swap.max', 'memory.memsw.limit_in_bytes')).toBe(
      PURE_V2 ? '0' : `${10 * MIB}`,
    );
    expect((await inspect('grown')).HostConfig).toMatchObject({ Memory: 10 * MIB, MemorySwap: 10 * MIB });
    expect(await tsrun.ok('update', '-m', '100m', '--memory-swap', '-1', 'grown')).toBe('grown\n');
    expect(await memoryLimit('grown')).toBe(`${100 * MIB}`);
  });

  test('limits what had no limit, every process of it, and leaves no cgroup behind', async () => {
    await up('free', [], 'sleep 1000 & sleep 1000 & while :; do :; done');
    await tsrun.ok('update', '-m', '50m', '--cpus', '0.2', '--pids-limit', '4', 'free');
    expect(await memoryLimit('free')).toBe(`${50 * MIB}`);
    const processes = (await cgroupFile('free', 'memory', 'cgroup.procs', 'cgroup.procs')).split('\n');
    expect(processes).toHaveLength(3);
    const { CPUPerc = '', PIDs } = JSON.parse(
      await tsrun.ok('stats', '--no-stream', '--format', 'json', 'free'),
    );
    expect(Number.parseFloat(CPUPerc)).toBeLessThan(30);
    expect(PIDs).toBe('3');
  });

  test('takes limits away, with 0', async () => {
    await up('freed', ['-m', '20m', '--cpus', '0.2', '--pids-limit', '10'], 'exec sleep 1000');
    await tsrun.ok('update', '-m', '0', '--cpus', '0', '--pids-limit', '0', 'freed');
    expect(PURE_V2 ? await memoryLimit('freed') : Number(await memoryLimit('freed')) > 2 ** 62).toBe(
      PURE_V2 ? 'max' : true,
    );
    expect(await cgroupFile('freed', 'pids', 'pids.max', 'pids.max')).toBe('max');
    expect(await cgroupFile('freed', 'cpu', 'cpu.max', 'cpu.cfs_quota_us')).toBe(
      PURE_V2 ? 'max 100000' : '-1',
    );
    expect((await inspect('freed')).HostConfig).toMatchObject({ Memory: 0, CpuQuota: 0, PidsLimit: 0 });
  });

  test('changes a stopped container on record', async () => {
    onTestFinished(async () => {
      await tsrun.ok('rm', 'stopped');
    });
    await tsrun.ok('run', '--name', 'stopped', 'busybox', 'true');
    expect(await tsrun.ok('update', '-m', '50m', '--cpu-shares', '512', 'stopped')).toBe('stopped\n');
    expect((await inspect('stopped')).HostConfig).toMatchObject({ Memory: 50 * MIB, CpuShares: 512 });
  });

  test('that cannot be is refused, and changes nothing', async () => {
    await up('refusing', ['-m', '20m'], 'exec sleep 1000');
    const cases: readonly (readonly [args: readonly string[], code: number, message: string])[] = [
      [
        ['-m', '100m', 'refusing'],
        1,
        'Cannot update the limits: --memory 104857600 is more than memory and swap',
      ],
      [['-m', '1m', 'refusing'], 1, 'Cannot use --memory 1048576: the least is 6m'],
      [['--cpu-shares', '0', 'refusing'], 1, 'Cannot update the limits: --cpu-shares cannot be taken away'],
      [['refusing'], 125, "'tsrun update' needs a flag: the limit to change"],
      [['-m', '50m', 'nosuch'], 1, 'No such container: nosuch'],
    ];
    for (const [args, status, message] of cases) {
      const { code, stdout, stderr } = await tsrun.run('update', ...args);
      expect([code, stdout]).toEqual([status, '']);
      expect(stderr).toContain(`tsrun: ${message}`);
    }
    expect(await memoryLimit('refusing')).toBe(`${20 * MIB}`);
  });

  test('to less than is used: v1 refuses, and what was changed is given back; v2 ends a process', async () => {
    const script = 'dd if=/dev/zero of=/dev/shm/f bs=1M count=30 2>/dev/null; echo full; exec sleep 1000';
    const running = await up('full', ['-m', '60m', '--memory-swap', '60m', '--pids-limit', '10'], script);
    await running.waitFor(/full/);
    const { code, stderr } = await tsrun.run('update', '-m', '10m', '--memory-swap', '10m', 'full');
    if (PURE_V2) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect((await running.ended).code).toBe(137);
      expect((await inspect('full')).State).toMatchObject({ OOMKilled: true });
      return;
    }
    expect(stderr).toMatch(
      /^tsrun: Cannot write 10485760 to \S+\/memory\.limit_in_bytes: .*EBUSY.*; no limit was changed\nhint: /,
    );
    expect(code).toBe(1);
    expect(await memoryLimit('full')).toBe(`${60 * MIB}`);
    expect(await cgroupFile('full', 'memory', '', 'memory.memsw.limit_in_bytes')).toBe(`${60 * MIB}`);
  });
});
