import { setTimeout } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openTerminal, type Terminal, useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const SIZE = { rows: 31, columns: 97 };

/** A terminal of the test that ends with it. */
function kept(terminal: Terminal): Terminal {
  onTestFinished(async () => {
    if (terminal.process.exitCode === null) terminal.process.kill('SIGKILL');
    await terminal.finished;
  });
  return terminal;
}

const start = (...args: string[]) => kept(tsrun.terminal(SIZE, 'run', '--rm', ...args));

/** A shell on a terminal that starts tsrun: so that it can be asked how its terminal was left. */
function shell(script: string): Terminal {
  return kept(openTerminal(SIZE, ['sh', '-c', script], { ...process.env, ...tsrun.env, TSRUN: PROGRAM }));
}

describe('a program run with -it', () => {
  test('has a terminal of its own: name, size, TERM, all three descriptors, and it controls the session', async () => {
    const script =
      'tty; stty size; echo $TERM; for f in 0 1 2; do [ -t $f ] && echo $f; done; echo tty > /dev/tty; ls -l /proc/1/fd/0 | grep -o "/dev/.*"; stat -c %a:%u:%g /dev/pts/0';
    const { code, stdout } = await start('-it', 'busybox', 'sh', '-c', script).finished;
    expect(stdout.replaceAll('\r', '')).toBe('/dev/pts/0\n31 97\nxterm\n0\n1\n2\ntty\n/dev/pts/0\n620:0:5\n');
    expect(code).toBe(0);
  });

  test('is told of every new size while it runs', async () => {
    const script =
      'trap "stty size" WINCH; echo ready; while [ ! -e /stop ]; do read -t 1 line; [ "$line" = stop ] && exit 5; done';
    const terminal = start('-it', 'busybox', 'sh', '-c', script);
    await terminal.waitFor(/ready/);
    terminal.resize(40, 120);
    await terminal.waitFor(/40 120/);
    terminal.resize(7, 11);
    await terminal.waitFor(/7 11/);
    terminal.type('stop\n');
    expect((await terminal.finished).code).toBe(5);
  });

  test('gets Ctrl-C and Ctrl-\\ as its own keys, and tsrun does not end by them', async () => {
    const script =
      'trap "echo INT" INT; trap "echo QUIT; exit 3" QUIT; echo ready; while :; do sleep 0.05; done';
    const terminal = start('-it', 'busybox', 'sh', '-c', script);
    await terminal.waitFor(/ready/);
    terminal.type('\x03');
    await terminal.waitFor(/INT/);
    terminal.type('\x1c');
    expect((await terminal.finished).code).toBe(3);
  });

  test('prints colours and control bytes unchanged, and reads keys one by one, unechoed by the caller', async () => {
    const script = `stty raw -echo; printf '\\033[31mred\\033[0m\\001\\377\\n'; printf 'key:'; dd bs=1 count=3 2>/dev/null | od -An -tx1`;
    const terminal = start('-it', 'busybox', 'sh', '-c', script);
    await terminal.waitFor(/key:/);
    terminal.type('\x1b[\x04');
    const { stdout } = await terminal.finished;
    expect(stdout).toContain('\x1b[31mred\x1b[0m\x01');
    expect(stdout).toMatch(/key: 1b 5b 04\n$/);
  });

  test('is hung up with the terminal of the caller: a shell ends, and its container is gone', async () => {
    const terminal = start('-it', 'busybox', 'sh', '-c', 'echo ready; cat; exit 6');
    await terminal.waitFor(/ready/);
    terminal.process.kill('SIGKILL'); // the window a person sees is closed
    await terminal.finished;
    while ((await tsrun.ok('ps', '-aq')) !== '') await setTimeout(20);
  });
});

test('-t alone gives a terminal without input, and the caller’s output gets its bytes', async () => {
  const { code, stdout } = await tsrun.run(
    'run',
    '--rm',
    '-t',
    'busybox',
    'sh',
    '-c',
    '[ -t 0 ] && [ -t 1 ] && echo $TERM; exit 9',
  );
  expect({ code, stdout }).toEqual({ code: 9, stdout: 'xterm\r\n' });
});

test('a terminal passes 4 MiB on without a gap', async () => {
  const script = 'stty raw; i=0; while [ $i -lt 64 ]; do head -c 65536 /dev/zero; i=$((i+1)); done; echo end';
  const { stdout } = await tsrun.run('run', '--rm', '-t', 'busybox', 'sh', '-c', script);
  expect(stdout.length).toBe(4 * 1024 * 1024 + 'end\n'.length);
  expect(stdout.slice(-4)).toBe('end\n');
});

test('-it without a terminal is refused, with the status Docker has', async () => {
  expect(await tsrun.run('run', '--rm', '-it', 'busybox', 'true')).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'tsrun: Cannot use -t with -i: standard input is not a terminal\nhint: leave out -t when input comes from a file or a pipe\n',
  });
});

describe("the caller's terminal is as it was before", () => {
  const settings = /speed .*;|-?\b(icanon|echo|isig|opost|icrnl|ixon)\b/g;

  async function check(run: string, code: number, meanwhile?: (terminal: Terminal) => Promise<void>) {
    const terminal = shell(`stty -a; echo "==="; "$TSRUN" ${run} 2>/dev/null; echo "status $?"; stty -a`);
    await meanwhile?.(terminal);
    const { stdout } = await terminal.finished;
    const [before = '', rest = ''] = stdout.replaceAll('\r', '').split('===\n');
    const after = rest.slice(rest.lastIndexOf('status'));
    expect(after).toContain(`status ${code}\n`);
    expect(before.match(settings)).toHaveLength(7);
    expect(after.match(settings)).toEqual(before.match(settings));
  }

  test('after a program that ends', () => check('run --rm -it busybox sh -c "stty raw -echo; exit 4"', 4));

  test('after a program that is killed', async () => {
    const killed = async (terminal: Terminal) => {
      await terminal.waitFor(/inside/);
      await tsrun.ok('kill', 'killed');
    };
    await check('run --rm --name killed -it busybox sh -c "echo inside; exec sleep 60"', 137, killed);
  });

  test('after a program that could not be started', async () => {
    await check('run --rm -it busybox nosuch', 127);
    await check('run --rm -it -w /etc/passwd busybox true', 125);
  });
});
