/** `tsrun explain run`: the plan of a container that is not made. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTrace } from '../support/strace.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });

interface OpJson {
  readonly op: string;
  readonly why: string;
  readonly [field: string]: unknown;
}
interface PlanJson {
  readonly groups: readonly {
    readonly who: string;
    readonly title: string;
    readonly ops: readonly OpJson[];
  }[];
}

const explainJson = async (...args: readonly string[]): Promise<PlanJson> =>
  JSON.parse(await tsrun.ok('explain', '--json', 'run', ...args));

test('every op is shown with its reason, and nothing is made', async () => {
  const containers = () => ['containers', 'names'].flatMap((name) => readEntries(join(tsrun.dataRoot, name)));
  const before = containers();
  const text = await tsrun.ok('explain', 'run', '--rm', 'busybox', 'sh', '-c', 'ps');
  expect(containers()).toEqual(before);
  expect(readEntries(tsrun.runRoot)).toEqual([]);
  expect(text).toMatch(/^tsrun run --rm busybox sh -c ps\n/);
  expect(text).toMatch(/^ +\d+ {2}clone3\(flags=CLONE_NEWNS/m);
  expect(text).toContain("Makes the container's files the root");
  expect(text).toMatch(/namespaces +6 \(mount, pid, network, ipc, uts, cgroup\)/);
  expect(text).not.toContain('\u001b');
});

test('the plan that is explained is the plan that runs', async () => {
  const flags = [
    '--rm',
    '-u',
    '7:8',
    '--read-only',
    '--tmpfs',
    '/t',
    '--hostname',
    'same',
    '-w',
    '/w',
    'busybox',
    'true',
  ];
  const plan = await explainJson(...flags);
  const { stderr } = await tsrun.run('run', '--trace', ...flags);
  const explained = (who: string) =>
    plan.groups.flatMap((g) => (g.who === who ? g.ops.map(({ op }) => op) : []));
  const trace = readTrace(stderr.replaceAll('skipped', 'absent '));
  for (const who of ['host', 'child'])
    expect(trace.filter((line) => line.who === who).map(({ name }) => name)).toEqual(explained(who));
  expect(trace.filter(({ who }) => who === 'cleanup').map(({ name }) => name)).toEqual(
    explained('cleanup').toReversed(),
  );
});

test('flags of explain stand before run or among its flags', async () => {
  const [before, among] = await Promise.all([
    explainJson('--rm', '--hostname', 'h', 'busybox', 'true'),
    tsrun
      .ok('explain', 'run', '--json', '--rm', '--hostname', 'h', 'busybox', 'true')
      .then((t): PlanJson => JSON.parse(t)),
  ]);
  expect(among.groups.map(({ title }) => title)).toEqual(before.groups.map(({ title }) => title));
});

test('flags after the image belong to the program', async () => {
  const plan = await explainJson('busybox', 'ls', '--json', '--as', 'sh');
  const execve = plan.groups.flatMap((g) => g.ops).find(({ op }) => op === 'execve');
  expect(execve?.args).toEqual(['ls', '--json', '--as', 'sh']);
});

test.each([
  [['explain'], /'tsrun explain' explains run/],
  [['explain', 'ps'], /explains run, not "ps"/],
  [['explain', 'run'], /'tsrun explain run' needs an image/],
  [['explain', '--as', 'perl', 'run', 'busybox'], /--as takes sh, not "perl"/],
  [['explain', '--as', 'sh', '--json', 'run', 'busybox'], /--as and --json/],
  [['explain', 'run', '--no-such-flag', 'busybox'], /unknown flag: --no-such-flag/],
  [['explain', 'run', 'no-such-image'], /No such image: no-such-image/],
])('%j is one clear message', async (args, message) => {
  const { code, stdout, stderr } = await tsrun.run(...args);
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
  expect(stderr).toMatch(message);
});

test('colour goes to a terminal that may have it', async () => {
  const size = { rows: 50, columns: 100 };
  const coloured = await tsrun.terminal(size, 'explain', 'run', 'busybox', 'true').finished;
  expect(coloured.stdout).toContain('\u001b[1m');
});

function readEntries(path: string): readonly string[] {
  return readdirSync(path).filter((name) => !name.endsWith('lock'));
}
