/** Where the cgroups of a container lie, what is refused, and what a crash leaves. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { readCgroupHost } from '../../src/runtime/cgroup-facts.ts';
import { useBundles } from '../support/bundle.ts';
import { ON_V2, pidOf, readLimit, recordOf } from '../support/live-cgroups.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const bundles = useBundles();
const host = readCgroupHost();
/** What only cgroup v2 has is not looked for elsewhere. */
const testOnV2 = ON_V2 ? test : () => {};
const LIMITS = ['-m', '64m', '--pids-limit', '30'];

async function up(name: string, ...flags: string[]) {
  const script = ['busybox', 'sh', '-c', 'echo up; exec sleep 60'];
  const running = watch(tsrun.start('run', '--rm', '--name', name, ...flags, ...script));
  await running.waitFor(/up/);
  return running;
}

/** Directories of cgroups by their name, in every hierarchy. */
function removedAfter(name: string): string {
  const mounts = [host.v2Mount, ...Object.values(host.v1).map(({ mount, base }) => join(mount, base))];
  onTestFinished(() => {
    for (const mount of new Set(mounts)) {
      const path = join(mount ?? '', name);
      if (mount === undefined || !existsSync(path)) continue;
      for (const below of readdirSync(path, { withFileTypes: true }))
        if (below.isDirectory()) rmdirSync(join(path, below.name));
      rmdirSync(path);
    }
  });
  return name;
}

test('a container is in a cgroup of its own for each limit, and its first process nowhere else', async () => {
  const running = await up('inside', ...LIMITS);
  const { cgroups, id } = recordOf(tsrun, 'inside');
  const own = readFileSync(`/proc/${pidOf(tsrun, 'inside')}/cgroup`, 'utf8')
    .trim()
    .split('\n');
  const inside = own.filter((line) => line.endsWith(`/tsrun-${id}`)).map((line) => line.split(':')[1]);
  expect(inside.toSorted()).toEqual(ON_V2 ? [''] : ['', 'memory', 'pids']);
  expect(Object.keys(cgroups.v1).toSorted()).toEqual(ON_V2 ? [] : ['memory', 'pids']);
  await tsrun.ok('kill', 'inside');
  await running.ended;
  for (const path of [cgroups.v2 ?? '', ...Object.values(cgroups.v1)]) expect(existsSync(path)).toBe(false);
});

test('--cgroup-parent: the container lies below it, and what is missing on the way is made', async () => {
  const parent = removedAfter('tests-of-limits');
  const running = await up('below', '--cgroup-parent', `${parent}/front`, ...LIMITS);
  const { v2 = '', v1 } = recordOf(tsrun, 'below').cgroups;
  expect(ON_V2 ? v2 : v1.memory).toMatch(/\/tests-of-limits\/front\/tsrun-[0-9a-f]{64}$/);
  expect(readLimit(tsrun, 'below', 'pids.max', 'pids.max')).toBe('30');
  if (ON_V2) {
    const handedDown = readFileSync(join(v2, '../../cgroup.subtree_control'), 'utf8').trim().split(' ');
    expect(handedDown).toEqual(expect.arrayContaining(['memory', 'pids']));
  }
  await tsrun.ok('kill', 'below');
  await running.ended;
});

test('--cgroup-parent with a path that climbs is refused', async () => {
  const { code, stderr } = await tsrun.run('run', '--rm', '--cgroup-parent', '/a/../../b', 'busybox', 'true');
  expect(code).toBe(125);
  expect(stderr).toMatch(
    /^tsrun: Cannot use ".*" as the path of a cgroup\nhint: give a path without \.\.\n$/,
  );
});

testOnV2('a parent with processes of its own cannot hand controllers down, and is named', async () => {
  const parent = removedAfter('tests-of-limits');
  const directory = join(host.v2Mount ?? '', parent);
  mkdirSync(directory);
  const sleeper = watch(
    tsrun.start('run', '--rm', '--name', 'sleeper', 'busybox', 'sh', '-c', 'echo up; exec sleep 60'),
  );
  await sleeper.waitFor(/up/);
  writeFileSync(join(directory, 'cgroup.procs'), `${pidOf(tsrun, 'sleeper')}`);
  const { code, stderr } = await tsrun.run(
    'run',
    '--rm',
    '-m',
    '64m',
    '--cgroup-parent',
    parent,
    'busybox',
    'true',
  );
  expect(code).toBe(125);
  expect(stderr).toContain(
    'the cgroup /tests-of-limits cannot hand down memory, pids: it has processes of its own',
  );
  expect(stderr).toContain(
    'hint: move them into a cgroup below it first, or name another one with --cgroup-parent',
  );
  await tsrun.ok('kill', 'sleeper');
  await sleeper.ended;
});

test('a limit that no controller of the host can hold is an error that names it', async () => {
  const gone =
    host.v2Controllers.includes('hugetlb') || 'hugetlb' in host.v1 ? 'misc.max' : 'hugetlb.2MB.max';
  const linux = {
    namespaces: [{ type: 'mount' as const }, { type: 'pid' as const }],
    resources: { unified: { [gone === 'misc.max' ? 'nothing.max' : gone]: '1' } },
  };
  await expect(bundles.run({ linux, hostname: undefined }, 'true')).rejects.toThrow(
    /the requested cgroup controller `\w+` is not available/,
  );
});

test('kill -9 of tsrun leaves cgroups, and the next command removes them from every hierarchy', async () => {
  const running = await up('orphan', ...LIMITS);
  const { v2 = '', v1 } = recordOf(tsrun, 'orphan').cgroups;
  const paths = [v2, ...Object.values(v1)];
  expect(paths.map((path) => existsSync(path))).not.toContain(false);
  running.process.kill('SIGKILL');
  await running.ended;
  expect(await tsrun.ok('ps', '-aq')).toBe('');
  expect(paths.map((path) => existsSync(path))).not.toContain(true);
});

testOnV2('inside a container, whose root has processes, containers run, and limits are refused', async () => {
  const nest = join(host.v2Mount ?? '', removedAfter('tests-of-limits'));
  mkdirSync(nest);
  // Moved, and then seen as the root: what a container sees of its own cgroup.
  const script = `echo $$ >${nest}/cgroup.procs && exec unshare -Cm sh -c 'umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && "$@"' sh "$@"`;
  const nested = (...args: string[]) =>
    promisify(execFile)(
      'sh',
      ['-c', script, 'sh', PROGRAM, 'run', '--rm', ...args, 'busybox', 'echo', 'runs'],
      {
        env: { ...process.env, ...tsrun.env },
      },
    );
  expect((await nested()).stdout).toBe('runs\n');
  await expect(nested('-m', '64m')).rejects.toThrow(
    'the cgroup / has processes of its own, so it cannot hand down memory',
  );
});

testOnV2('cgroups that a privileged container has made inside go with it', async () => {
  const script = 'mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/c && echo made';
  expect(await tsrun.ok('run', '--rm', '--privileged', 'busybox', 'sh', '-c', script)).toBe('made\n');
});

test('explain shows each file, its value and what the kernel does with it', async () => {
  const explained = await tsrun.ok('explain', 'run', '-m', '64m', '--pids-limit', '30', 'busybox', 'true');
  expect(explained).toMatch(ON_V2 ? /memory\.max.*67108864/ : /memory\.limit_in_bytes.*67108864/);
  expect(explained).toContain('then kills a process of the container');
  expect(explained).toContain('A fork bomb ends at 30 processes and threads.');
});
