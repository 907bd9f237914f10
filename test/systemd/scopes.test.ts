/** `--cgroup-manager systemd`, where systemd is PID 1: in the machine of `npm run vm -- --systemd`. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { useBundles } from '../support/bundle.ts';
import { pidOf, recordOf } from '../support/live-cgroups.ts';
import { useOci } from '../support/oci.ts';
import { type Running, watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';
import { OCI_PROGRAM, SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const bundles = useBundles();
const oci = useOci();
const MIB = 1024 * 1024;
/** Ends with 9 at a SIGTERM, at once. */
const UNTIL_TERM = "trap 'exit 9' TERM; while :; do sleep 1 & wait; done";

const withSystemd = describe.skipIf(!existsSync('/run/systemd/system'));
const systemctl = (...args: string[]) => execFileSync('systemctl', args, { encoding: 'utf8' }).trim();
const scopes = () => systemctl('list-units', '--all', '--plain', '--no-legend', 'tsrun-*.scope');
const property = (unit: string, name: string) => systemctl('show', '--value', '-p', name, unit);
const inspect = async (name: string) => JSON.parse(await tsrun.ok('inspect', name))[0];

/** systemd learns from the kernel that a scope is empty, a moment later. */
const noScopeIsLeft = () => expect.poll(scopes, { timeout: 5000 * SLOWNESS }).toBe('');

interface Scoped {
  readonly running: Running;
  readonly unit: string;
  /** The cgroups: of the container, and of the scope around it. */
  readonly leaf: string;
  readonly scope: string;
}

/** A container that runs the script after it has said `up`; it is removed after the test, and its scope is gone then. */
async function up(name: string, flags: readonly string[], script: string): Promise<Scoped> {
  const args = ['--name', name, '--network', 'none', '--cgroup-manager', 'systemd', ...flags];
  onTestFinished(async () => {
    await tsrun.run('rm', '-f', name);
    await noScopeIsLeft();
  });
  const running = watch(tsrun.start('run', ...args, 'busybox', 'sh', '-c', `echo up; ${script}`));
  await running.waitFor(/up/);
  const { v2: leaf = '', scope: unit = '' } = recordOf(tsrun, name).cgroups;
  return { running, unit, leaf, scope: dirname(leaf) };
}

const read = (cgroup: string, file: string) => readFileSync(join(cgroup, file), 'utf8').trim();

withSystemd('a container in a scope of systemd', () => {
  test('lies in a leaf of it, where the limits are, and stays so at a daemon-reload', async () => {
    const flags = ['-m', '64m', '--cpus', '0.5', '--pids-limit', '100'];
    const { unit, leaf, scope } = await up('web', flags, UNTIL_TERM);
    const { Id } = await inspect('web');
    expect(unit).toBe(`tsrun-${Id}.scope`);
    expect(read(`/proc/${pidOf(tsrun, 'web')}`, 'cgroup')).toBe(`0::/system.slice/${unit}/container`);
    expect(property(unit, 'ActiveState')).toBe('active');
    expect(property(unit, 'Delegate')).toBe('yes');
    expect(property(unit, 'Description')).toBe(`tsrun container ${Id}`);
    const limits = () => ['memory.max', 'cpu.max', 'pids.max'].map((file) => read(leaf, file));
    expect(limits()).toEqual([`${64 * MIB}`, '50000 100000', '100']);
    expect([read(scope, 'memory.max'), read(scope, 'pids.max')]).toEqual(['max', 'max']);
    // Nothing of ours but the container is in it: what stops the scope stops the container alone.
    expect(read(scope, 'cgroup.procs')).toBe('');
    expect(read(leaf, 'cgroup.procs').split('\n')).toContain(`${pidOf(tsrun, 'web')}`);

    systemctl('daemon-reload');
    expect(limits()).toEqual([`${64 * MIB}`, '50000 100000', '100']);
    await tsrun.ok('update', '-m', '80m', '--memory-swap', '-1', 'web');
    systemctl('daemon-reload');
    expect(read(leaf, 'memory.max')).toBe(`${80 * MIB}`);
    expect(await tsrun.ok('stats', '--no-stream', '--format', '{{.MemUsage}}')).toContain('80MiB');
  });

  test('ends when the scope is stopped, with the status of its program, which is recorded', async () => {
    const { running, unit } = await up('stopped', [], UNTIL_TERM);
    systemctl('stop', unit);
    expect((await running.ended).code).toBe(9);
    expect((await inspect('stopped')).State).toMatchObject({ Status: 'exited', ExitCode: 9 });
    await noScopeIsLeft();
  });

  test('is killed where it does not listen: 137, and the failed scope does not stay', async () => {
    const { running, unit } = await up('deaf', [], 'sleep 1000');
    expect(property(unit, 'TimeoutStopUSec')).toBe('10s');
    systemctl('stop', unit);
    expect((await running.ended).code).toBe(137);
    await noScopeIsLeft();
  });

  test('lies in the slice that was asked for, below those it is part of', async () => {
    const { leaf, unit } = await up('sliced', ['--cgroup-parent', 'tsrtest-front.slice'], UNTIL_TERM);
    expect(leaf).toBe(`/sys/fs/cgroup/tsrtest.slice/tsrtest-front.slice/${unit}/container`);
    expect(property(unit, 'Slice')).toBe('tsrtest-front.slice');
    await tsrun.ok('rm', '-f', 'sliced');
    systemctl('stop', 'tsrtest.slice');
  });

  test('dies of a lack of memory alone, and this is told, each time', async () => {
    const flags = ['--name', 'hog', '--network', 'none', '--cgroup-manager', 'systemd', '-m', '20m'];
    const hog = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=60M', 'count=1'];
    for (let round = 0; round < 10; round++) {
      const { code } = await tsrun.run('run', ...flags, 'busybox', ...hog);
      expect(code).toBe(137);
      expect((await inspect('hog')).State).toMatchObject({
        Status: 'exited',
        ExitCode: 137,
        OOMKilled: true,
      });
      await tsrun.ok('rm', 'hog');
    }
    await noScopeIsLeft();
  });

  test('of its processes the one that had no memory left is told, also when the scope was stopped', async () => {
    const hog = 'dd if=/dev/zero of=/dev/null bs=60M count=1; echo gone';
    const { running, unit } = await up('survivor', ['-m', '20m'], `${hog}; ${UNTIL_TERM}`);
    await running.waitFor(/gone/);
    systemctl('stop', unit);
    expect((await running.ended).code).toBe(9);
    expect((await inspect('survivor')).State).toMatchObject({ ExitCode: 9, OOMKilled: true });
    await noScopeIsLeft();
  });

  test('opens no device but the usual ones, and has its cgroup for a root', async () => {
    const script = 'mknod /kmsg c 1 11; cat /kmsg; echo >/dev/null && cat /proc/self/cgroup';
    const flags = ['--rm', '--network', 'none', '--cgroup-manager', 'systemd'];
    const { stdout, stderr } = await tsrun.run('run', ...flags, 'busybox', 'sh', '-c', script);
    expect(stderr).toContain("can't open '/kmsg': Operation not permitted");
    expect(stdout).toBe('0::/\n');
  });
});

withSystemd('nothing is left', () => {
  test('when the helper is killed: the scope goes, the next command removes the rest', async () => {
    const { running, leaf } = await up('orphan', ['--rm'], UNTIL_TERM);
    running.process.kill('SIGKILL');
    await running.ended;
    await noScopeIsLeft();
    expect(existsSync(leaf)).toBe(false);
    expect(await tsrun.ok('ps', '-a', '-q')).toBe('');
  });

  test('when it is killed at any moment of the start', async () => {
    for (let delayMs = 0; delayMs < 400 * SLOWNESS; delayMs += 80 * SLOWNESS) {
      const flags = ['--rm', '--network', 'none', '--cgroup-manager', 'systemd', '-m', '64m'];
      const { process: child, ended } = watch(tsrun.start('run', ...flags, 'busybox', 'true'));
      setTimeout(() => child.kill('SIGKILL'), delayMs);
      await ended;
    }
    await tsrun.ok('ps');
    await noScopeIsLeft();
  });

  test('of a scope into which somebody has put another process: rm stops it', async () => {
    const { scope, running } = await up('shared', [], 'sleep 1000');
    const stranger = spawn('sleep', ['1000']);
    const strangerEnded = new Promise((resolve) => stranger.once('exit', (_, signal) => resolve(signal)));
    mkdirSync(join(scope, 'stranger'));
    writeFileSync(join(scope, 'stranger/cgroup.procs'), `${stranger.pid}`);
    await tsrun.ok('kill', 'shared');
    expect((await running.ended).code).toBe(137);
    expect(scopes()).toContain('running');
    await tsrun.ok('rm', 'shared');
    expect(scopes()).toBe('');
    expect(await strangerEnded).toBe('SIGTERM');
  });
});

withSystemd('a scope that cannot be', () => {
  test('a slice that is none', async () => {
    const flags = ['--network', 'none', '--cgroup-manager', 'systemd', '--cgroup-parent'];
    const { code, stderr } = await tsrun.run('run', '--rm', ...flags, '/a/b', 'busybox', 'true');
    expect(code).toBe(125);
    expect(stderr).toContain('Cannot use "/a/b" as the slice of a container');
  });

  test('a unit that is there already is named, and left alone', async () => {
    const words = ['--unit=tsrun-twice.scope', '--scope', '--quiet', 'sh', '-c', 'sleep 1000 & exit 0'];
    execFileSync('systemd-run', words, { stdio: 'ignore' });
    onTestFinished(() => {
      systemctl('stop', 'tsrun-twice.scope');
    });
    const { failure } = await bundles.run({ scope: ':tsrun:twice' }, 'true');
    expect(failure).toMatchObject({ op: 'systemd_job', exitCode: 125 });
    expect(failure?.message).toMatch(/systemd does not make the unit tsrun-twice\.scope: Unit .* already/);
    expect(property('tsrun-twice.scope', 'ActiveState')).toBe('active');
  });
});

withSystemd('tsrun-oci --systemd-cgroup', () => {
  test('takes slice:prefix:name, and frees the name at delete', () => {
    const unit = 'tsrtest-box.scope';
    const linux = { cgroupsPath: 'system.slice:tsrtest:box', resources: { memory: { limit: 64 * MIB } } };
    const annotations = {
      'org.systemd.property.TimeoutStopSec': 'uint64 3',
      'org.systemd.property.Description': "'a box'",
    };
    const bundle = oci.bundle({ args: ['sleep', '1000'], linux, config: { annotations } });
    onTestFinished(() => {
      oci.run('delete', '-f', 'box');
    });
    for (let round = 0; round < 2; round++) {
      // The container keeps what it is given: a pipe would not end.
      const made = oci.runWith({ stdio: 'ignore' }, '--systemd-cgroup', 'create', '-b', bundle, 'box');
      expect(made.code).toBe(0);
      const leaf = `/sys/fs/cgroup/system.slice/${unit}/container`;
      expect(read(leaf, 'cgroup.procs')).toBe(`${oci.pid('box')}`);
      expect(read(leaf, 'memory.max')).toBe(`${64 * MIB}`);
      expect(property(unit, 'ActiveState')).toBe('active');
      expect(property(unit, 'TimeoutStopUSec')).toBe('3s');
      expect(property(unit, 'Description')).toBe('a box');
      oci.ok('delete', '-f', 'box');
      expect(systemctl('list-units', '--all', '--plain', '--no-legend', unit)).toBe('');
    }
  });
});

withSystemd('tsrun-oci events', () => {
  test('tells that memory ran out, also when that ended the container', async () => {
    const linux = {
      cgroupsPath: ':tsrtest:hog',
      resources: { memory: { limit: 20 * MIB, swap: 20 * MIB } },
    };
    const args = ['busybox', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=60M', 'count=1'];
    const bundle = oci.bundle({ args, linux });
    for (let round = 0; round < 3; round++) {
      oci.runWith({ stdio: 'ignore' }, '--systemd-cgroup', 'create', '-b', bundle, 'hog');
      const events = watch(spawn(OCI_PROGRAM, ['--root', oci.root, 'events', 'hog']));
      await events.waitFor(/"stats"/);
      oci.ok('start', 'hog');
      await events.waitFor(/"type":"oom"/);
      expect((await events.ended).code).toBe(0);
      oci.ok('delete', 'hog');
    }
    const left = () => systemctl('list-units', '--all', '--plain', '--no-legend', 'tsrtest-*.scope');
    await expect.poll(left, { timeout: 5000 * SLOWNESS }).toBe('');
  });
});

withSystemd('seen from outside', () => {
  test('info says who makes the cgroups', async () => {
    const env = { TSRUN_CGROUP_MANAGER: 'systemd' };
    const driver = async (options: object) =>
      (
        await tsrun.runWith(options, 'info', '--format', '{{.CgroupDriver}} {{.CgroupVersion}}')
      ).stdout.trim();
    expect(await driver({})).toBe('cgroupfs 2');
    expect(await driver({ env })).toBe('systemd 2');
  });

  test('the script of explain asks systemd with busctl for the same', async () => {
    const script = join(tsrun.scratch, 'by-hand.sh');
    const flags = ['--rm', '--network', 'none', '--cgroup-manager', 'systemd', '-m', '64m'];
    const shown = 'cat /sys/fs/cgroup/memory.max; echo up; read line';
    writeFileSync(
      script,
      await tsrun.ok('explain', '--as', 'sh', 'run', '-i', ...flags, 'busybox', 'sh', '-c', shown),
    );
    const running = watch(spawn('sh', [script], { env: { ...process.env, TMPDIR: tsrun.scratch } }));
    expect(await running.waitFor(/up/)).toBe(`${64 * MIB}\nup\n`);
    const [unit = ''] = scopes().split(' ');
    expect(unit).toMatch(/^tsrun-[0-9a-f]{64}\.scope$/);
    expect(property(unit, 'Delegate')).toBe('yes');
    running.process.stdin?.end('\n');
    expect((await running.ended).code).toBe(0);
    await vi.waitFor(() => expect(scopes()).toBe(''), 5000 * SLOWNESS);
  });
});
