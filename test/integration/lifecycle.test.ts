/** How a container ends, and what the verbs say of it before and after. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Running, watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const sh = (script: string) => tsrun.run('run', '--rm', 'busybox', 'sh', '-c', script);

/** A container that has begun to run its program: `echo up` must be the first thing the script does. */
async function up(flags: readonly string[], script: string): Promise<Running> {
  const running = watch(tsrun.start('run', ...flags, 'busybox', 'sh', '-c', script));
  await running.waitFor(/up/);
  return running;
}

/** Not a stop, but its end: a container that a test leaves is removed after it. */
function removedAfter(name: string): string {
  onTestFinished(async () => {
    if (readdirSync(join(tsrun.dataRoot, 'names')).includes(name)) await tsrun.ok('rm', '-f', name);
  });
  return name;
}

/** A zombie does not: it stays one where PID 1 of the machine does not wait for orphans. */
function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

describe('the exit status is', () => {
  test("the program's own", async () => {
    for (const code of [0, 1, 42, 255]) expect((await sh(`exit ${code}`)).code).toBe(code);
  });

  test('128 and the number of the signal that killed it', async () => {
    const running = await up(['--rm', '--name', removedAfter('killed')], 'echo up; exec sleep 60');
    await tsrun.ok('kill', 'killed');
    expect((await running.ended).code).toBe(128 + constants.signals.SIGKILL);
    // A handler is what makes PID 1 hear of a signal at all; the shell reports the death of its own child.
    expect((await sh("sh -c 'kill -SEGV $$'; exit $?")).code).toBe(128 + constants.signals.SIGSEGV);
  });

  test('127 for a program that is not there, 126 for one that cannot be run', async () => {
    const image = ['run', '--rm', '--tmpfs', '/t:exec,mode=755', 'busybox', 'sh', '-c'];
    const status = async (program: string) => (await tsrun.run('run', '--rm', 'busybox', program)).code;
    expect([await status('nosuch'), await status('/bin/nosuch'), await status('/etc/passwd/x')]).toEqual([
      127, 127, 127,
    ]);
    expect([await status('/etc'), await status('/etc/passwd')]).toEqual([126, 126]);
    expect((await tsrun.run(...image, 'exit 126')).code).toBe(126);
  });

  test('125 when tsrun itself could not do what was asked', async () => {
    const failed = async (...args: string[]) => {
      const { code, stderr } = await tsrun.run('run', '--rm', ...args);
      return `${code} ${stderr.split('\n')[0]}`;
    };
    expect(await failed('--pull', 'never', 'nosuchimage', 'true')).toBe(
      '125 tsrun: No such image: nosuchimage:latest',
    );
    expect(await failed('--nosuchflag')).toBe('125 tsrun: unknown flag: --nosuchflag');
    expect(await failed('--tmpfs', '/t:size=x', 'busybox', 'true')).toMatch(
      /^125 tsrun: Cannot start the container: .*size/,
    );
  });
});

describe('a signal sent to tsrun reaches the program:', () => {
  test('TERM, INT, HUP, USR1, QUIT and WINCH without a terminal', async () => {
    const names = ['TERM', 'INT', 'HUP', 'USR1', 'QUIT', 'WINCH'] as const;
    const traps = names.map((name) => `trap "echo got-${name}" ${name};`).join(' ');
    const running = await up(['--rm'], `${traps} trap "exit 7" USR2; echo up; while :; do sleep 0.02; done`);
    for (const name of names) {
      running.process.kill(`SIG${name}`);
      await running.waitFor(new RegExp(`got-${name}`));
    }
    running.process.kill('SIGUSR2');
    expect((await running.ended).code).toBe(7);
  });
});

test('kill -9 of tsrun ends the container with it, and the next command sweeps what is left', async () => {
  const running = await up(['--rm', '--name', removedAfter('orphan')], 'echo up; exec sleep 60');
  const { State } = JSON.parse(await tsrun.ok('inspect', 'orphan'))[0] as { State: { Pid: number } };
  expect(lives(State.Pid)).toBe(true);
  running.process.kill('SIGKILL');
  expect((await running.ended).code).toBe('SIGKILL');
  while (lives(State.Pid)) await setTimeout(5);
  expect(await tsrun.ok('ps', '-aq')).toBe('');
  expect(readdirSync(join(tsrun.dataRoot, 'containers'))).toEqual([]);
  expect(readdirSync(tsrun.runRoot)).toEqual(['networks']);
});

test('kill -9 of tsrun leaves a container that was to be kept, with the status 137', async () => {
  const running = await up(['--name', removedAfter('kept')], 'echo up; exec sleep 60');
  running.process.kill('SIGKILL');
  await running.ended;
  expect(await tsrun.ok('ps', '-a')).toMatch(/Exited \(137\).* kept\n/);
  expect(await tsrun.ok('rm', 'kept')).toBe('kept\n');
});

describe('a container', () => {
  test('is Up in ps while it runs and Exited in ps -a afterwards, and inspect tells the same', async () => {
    const running = await up(
      ['--name', removedAfter('life')],
      'trap "exit 3" TERM; echo up; while :; do sleep 0.02; done',
    );
    const [header = '', line = ''] = (await tsrun.ok('ps')).split('\n');
    expect(header).toMatch(/^CONTAINER ID {3}IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/);
    expect(line).toMatch(/^[0-9a-f]{12} {3}busybox +"sh -c trap …?.*" +.* ago +Up .* +life$/);
    const inspect = async () => JSON.parse(await tsrun.ok('inspect', 'life'))[0];
    const live = await inspect();
    expect(await tsrun.ok('inspect', '-f', '{{.Name}} {{.State.Pid}}', 'life')).toBe(
      `/life ${live.State.Pid}\n`,
    );
    expect(live).toMatchObject({ Name: '/life', State: { Status: 'running', Running: true }, Path: 'sh' });
    expect(readFileSync(`/proc/${live.State.Pid}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(line.startsWith(live.Id.slice(0, 12))).toBe(true);
    expect(await tsrun.ok('kill', '-s', 'SIGTERM', live.Id.slice(0, 5))).toBe(`${live.Id.slice(0, 5)}\n`);
    expect((await running.ended).code).toBe(3);
    expect(await tsrun.ok('ps', '-q')).toBe('');
    expect(await tsrun.ok('ps', '-aq', '--no-trunc')).toBe(`${live.Id}\n`);
    expect(await tsrun.ok('ps', '-a')).toMatch(/ Exited \(3\) .* ago +life\n$/);
    expect(await inspect()).toMatchObject({
      State: { Status: 'exited', Running: false, Pid: 0, ExitCode: 3 },
    });
    expect(await tsrun.ok('rm', live.Id)).toBe(`${live.Id}\n`);
    expect(await tsrun.ok('ps', '-aq')).toBe('');
  });

  test('is not removed while it runs, unless by force: then it is killed', async () => {
    const running = await up(['--name', removedAfter('forced')], 'echo up; exec sleep 60');
    expect(await tsrun.run('rm', 'forced')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'tsrun: Cannot remove container forced: it is running\nhint: stop it first (tsrun kill forced), or remove it with -f\n',
    });
    expect(await tsrun.ok('rm', '-f', 'forced')).toBe('forced\n');
    expect((await running.ended).code).toBe(137);
  });

  test('is found by the beginning of its id, when only one id begins so', async () => {
    const names = Array.from({ length: 17 }, (_, i) => removedAfter(`prefix${i}`));
    await Promise.all(names.map((name) => tsrun.ok('run', '--name', name, 'busybox', 'true')));
    const ids = (await tsrun.ok('ps', '-aq', '--no-trunc')).trim().split('\n');
    // Of 17 ids, two begin with the same one of 16 digits.
    const shared = ids.map(([digit]) => digit).find((digit, i, all) => all.indexOf(digit) !== i) ?? '';
    const count = ids.filter((id) => id.startsWith(shared)).length;
    expect(await tsrun.run('rm', shared)).toEqual({
      code: 1,
      stdout: '',
      stderr: `tsrun: Cannot tell which container ${shared} is: ${count} ids begin with it\nhint: give more of the id, or the name\n`,
    });
    const [first = ''] = ids;
    expect(JSON.parse(await tsrun.ok('inspect', first.slice(0, 12)))).toMatchObject([{ Id: first }]);
    expect((await tsrun.ok('rm', ...names)).trim().split('\n')).toEqual(names);
  });

  test('that does not exist is an error of rm, kill and inspect, and of rm -f not', async () => {
    const stderr = 'tsrun: No such container: nosuch\nhint: tsrun ps -a lists them\n';
    expect(await tsrun.run('rm', 'nosuch')).toEqual({ code: 1, stdout: '', stderr });
    expect(await tsrun.run('kill', 'nosuch')).toEqual({ code: 1, stdout: '', stderr });
    expect(await tsrun.run('inspect', 'nosuch')).toEqual({ code: 1, stdout: '[]\n', stderr });
    expect(await tsrun.run('rm', '-f', 'nosuch')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('that has ended cannot be killed, and a signal must be one', async () => {
    await tsrun.ok('run', '--name', removedAfter('ended'), 'busybox', 'true');
    expect(await tsrun.run('kill', 'ended')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'tsrun: Cannot kill container ended: it is not running\n',
    });
    expect(await tsrun.run('kill', '-s', 'NOPE', 'ended')).toEqual({
      code: 125,
      stdout: '',
      stderr: "tsrun: invalid signal: NOPE\nhint: see 'tsrun kill --help'\n",
    });
  });

  test('keeps its image from being removed', async () => {
    await tsrun.ok('run', '--name', removedAfter('user'), 'busybox', 'true');
    const id = (await tsrun.ok('ps', '-aq')).trim();
    expect(await tsrun.run('rmi', 'busybox')).toEqual({
      code: 1,
      stdout: '',
      stderr: `tsrun: Cannot remove the image busybox: the stopped container ${id} uses it\nhint: remove the container first, or use --force to take only the name away\n`,
    });
  });
});

describe('20 commands at once', () => {
  const twenty = Array.from({ length: 20 }, (_, i) => i);

  test('with one name: one gets it, 19 end with 125', async () => {
    removedAfter('contested');
    const ended = await Promise.all(
      twenty.map(() =>
        tsrun.runWith({ timeoutMs: 120_000 }, 'run', '--name', 'contested', 'busybox', 'echo', 'won'),
      ),
    );
    const count = (code: number) => ended.filter((e) => e.code === code).length;
    expect([count(0), count(125)]).toEqual([1, 19]);
    for (const { code, stdout, stderr } of ended) {
      expect(stdout).toBe(code === 0 ? 'won\n' : '');
      expect(stderr).toMatch(
        code === 0
          ? /^$/
          : /^tsrun: Cannot name a container contested: the name is taken by container [0-9a-f]{12}\nhint: .*\n$/,
      );
    }
    expect((await tsrun.ok('ps', '-aq')).trim().split('\n')).toHaveLength(1);
  });

  test('of different containers all work, and leave nothing', async () => {
    const ended = await Promise.all(
      twenty.map((i) =>
        tsrun.runWith(
          { timeoutMs: 120_000 },
          'run',
          '--rm',
          'busybox',
          'sh',
          '-c',
          `echo ${i} > /x; cat /x; exit ${i}`,
        ),
      ),
    );
    expect(ended).toEqual(twenty.map((i) => ({ code: i, stdout: `${i}\n`, stderr: '' })));
    expect(await tsrun.ok('ps', '-aq')).toBe('');
  });
});
