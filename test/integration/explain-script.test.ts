/** `tsrun explain --as sh`: the script makes by hand what `tsrun run` makes, and leaves as little behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Finished, useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });

/** Runs in the container and prints what isolates it: a line of `key value` for everything that is compared. */
const PROBE = `
echo "pid $$"
echo "process-1 $(tr '\\0' ' ' </proc/1/cmdline | cut -c 1-6)"
for dir in /proc/[0-9]*; do [ "\${dir##*/}" -gt 2 ] || echo "process \${dir##*/}"; done
echo "hostname $(hostname)"
echo "cwd $(pwd)"
echo "umask $(umask)"
cut -d : -f 2- /proc/self/cgroup | sed 's/^/cgroup /'
for file in memory.max memory.swap.max cpu.max cpu.weight cpuset.cpus pids.max; do
  echo "limit $file $(cat /sys/fs/cgroup/$file 2>/dev/null)"
done
grep Cpus_allowed_list /proc/self/status
echo "session $(cut -d ' ' -f 6,7 /proc/self/stat)"
tr '\\0' '\\n' </proc/1/environ | sed 's/^/env /' | sort
grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Sig(Blk|Ign|Cgt)):' /proc/1/status
sed -E 's/^[0-9]+ [0-9]+ [0-9:]+ ([^ ]+) ([^ ]+) ([^ ]+)( [^-]*)? - ([^ ]+) .*/mount \\2 \\4 \\3/' /proc/self/mountinfo
for path in /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/timer_list /sys/firmware; do
  echo "hidden $path $(ls -A "$path" 2>&1 | wc -l) $(head -c 16 "$path" 2>/dev/null | wc -c)"
done
for path in /proc/sys/kernel/domainname /proc/bus/x /sys/x /x; do
  (: >"$path") 2>/dev/null && echo "written $path" && rm -f "$path" 2>/dev/null
done
ls -l /dev | sed -E 's/^(.{10}) +[0-9]+ ([a-z0-9]+) +([a-z0-9]+) +(([0-9]+, +[0-9]+)|[0-9]+) .* ([^ ]+( -> .*)?)$/dev \\1 \\2 \\3 \\5 \\6/'
echo "descriptors"; ls /proc/1/fd # in a pipe there would be one more, or not yet, or no more
cat /proc/net/dev | tail -n +3 | sed -E 's/^ *([^:]*):.*/interface \\1/' | sort
ip -o addr | sed -E 's/^[0-9]+: ([^ ]+) +(inet6? [^ ]+) .*/address \\1 \\2/'
ip route | sed 's/^/route /'
ip -6 route | grep default | sed 's/^/route /'
cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu 2>/dev/null | sed 's/^/eth0 /'
echo "port $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)"
sed -E 's/  +/ /g; s/^/limit /' /proc/self/limits
cat /etc/hosts /etc/hostname /etc/resolv.conf | sed 's/^/file /'
for kind in mnt pid net ipc uts cgroup user; do echo "namespace $kind $(readlink /proc/self/ns/$kind)"; done
`;

const CONTAINERS: Readonly<Record<string, readonly string[]>> = {
  'a container with the defaults': [],
  'a confined container of an ordinary user': [
    ...['-u', '1000:1000', '--read-only', '--tmpfs', '/scratch:size=1m', '-w', '/made/for/it'],
    ...['--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--security-opt', 'no-new-privileges'],
    ...['-e', 'A-NAME=no shell has', '-e', 'EMPTY=', '-e', 'TEXT=$(id)`id`\'"\\ \t\u001b[1m\n\n'],
  ],
  'a container that keeps other rights': ['--cap-add', 'SYS_ADMIN', '--cap-drop', 'MKNOD'],
  'a container on the network of the host': ['--network', 'host'],
  'a privileged container': ['--privileged'],
  'a container with limits': [
    ...['-m', '64m', '--memory-swap', '96m', '--cpus', '0.5', '-c', '512', '--cpuset-cpus', '0'],
    ...['--pids-limit', '100'],
  ],
};

/** What the script says at its head that it does differently; nothing of it shows in the probe but namespaces. */
const NAMESPACE = /^namespace /;

describe('the isolation that a program finds', () => {
  test.each(Object.entries(CONTAINERS))('is the same by hand, for %s', async (_name, flags) => {
    const args = ['--rm', '--hostname', 'inside', ...flags, 'busybox', 'sh', '-c', PROBE];
    const ours = lines(await tsrun.ok('run', ...args));
    const { code, stdout, stderr } = await runByHand(await tsrun.ok('explain', '--as', 'sh', 'run', ...args));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const theirs = lines(stdout);
    expect(theirs.filter((line) => !NAMESPACE.test(line))).toEqual(
      ours.filter((line) => !NAMESPACE.test(line)),
    );
    expect(ours.length).toBeGreaterThan(60);
    const ownNetwork = !flags.includes('host');
    expect(ours.some((line) => line.startsWith('address eth0 inet 172.'))).toBe(ownNetwork);

    const shared = flags.includes('host') ? ['net', 'user'] : ['user'];
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'user']) {
      const host = `namespace ${kind} ${readlinkSync(`/proc/self/ns/${kind}`)}`;
      for (const inside of [ours, theirs])
        expect(inside.includes(host), `${kind} namespace of the host`).toBe(shared.includes(kind));
    }
  });

  test('is the same by hand for directories and files of the host, which stay as they are', async () => {
    const data = join(tsrun.scratch, "it's $(a) dir");
    mkdirSync(join(data, 'below'), { recursive: true });
    writeFileSync(join(data, 'file'), 'of the host\n');
    const args = ['-v', `${data}:/data:ro`, '-v', `${data}/file:/etc/file`, '--rm', 'busybox', 'sh', '-c'];
    const probe =
      'cat /data/file /etc/file; ls /data; touch /data/x /data/below/x; grep -E " /(data|etc/file) " /proc/self/mountinfo | cut -d " " -f 4-6; echo new >/etc/file';
    const ours = await tsrun.run('run', ...args, probe);
    expect(readFileSync(join(data, 'file'), 'utf8')).toBe('new\n');
    writeFileSync(join(data, 'file'), 'of the host\n');
    const theirs = await runByHand(await tsrun.ok('explain', '--as', 'sh', 'run', ...args, probe));
    expect(theirs).toEqual(ours);
    expect(ours.stderr).toMatch(/below\/x: Read-only file system/);
    expect(readdirSync(data)).toEqual(['below', 'file']);
  });
});

test.each(['dash', 'bash'])('%s runs it, and gives the status of the program', async (shell) => {
  const script = await tsrun.ok('explain', '--as', 'sh', 'run', '--rm', 'busybox', 'sh', '-c', 'exit 42');
  expect(await runByHand(script, { shell })).toEqual({ code: 42, stdout: '', stderr: '' });
});

test('arguments arrive as they were given', async () => {
  const hostile = [
    '',
    ' ',
    "'",
    '"',
    '$(id)',
    '`id`',
    '\\',
    '*',
    '-n',
    'a\nb\n\n',
    '\u001b[1m',
    'ż',
    '--',
    '#x',
    'a=b',
  ];
  const args = ['run', '--rm', 'busybox', 'sh', '-c', 'for a; do printf "<%s>" "$a"; done', 'sh', ...hostile];
  const { stdout } = await runByHand(await tsrun.ok('explain', '--as', 'sh', ...args));
  expect(stdout).toBe(hostile.map((a) => `<${a}>`).join(''));
});

test('input reaches the program with -i, and only then', async () => {
  const make = (flag: readonly string[]) =>
    tsrun.ok('explain', '--as', 'sh', 'run', '--rm', ...flag, 'busybox', 'cat');
  expect((await runByHand(await make(['-i']), { input: 'typed' })).stdout).toBe('typed');
  expect((await runByHand(await make([]), { input: 'typed' })).stdout).toBe('');
});

test('nothing is left when a program does not exist', async () => {
  const script = await tsrun.ok('explain', '--as', 'sh', 'run', '--rm', 'busybox', 'no-such-program');
  expect(await runByHand(script)).toMatchObject({
    code: 127,
    stderr: expect.stringContaining('no-such-program'),
  });
});

test('nothing is left when a step in the middle fails', async () => {
  const script = await tsrun.ok('explain', '--as', 'sh', 'run', '--rm', 'busybox', 'true');
  const broken = script.replace(/^ {2}hostname .*$/m, '  hostname -- "$(printf %070d 0)"');
  expect(broken).not.toBe(script);
  const { code, stderr } = await runByHand(broken);
  expect(code).not.toBe(0);
  expect(stderr).toContain('hostname');
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('nothing is left after %s', async (signal) => {
  const args = ['run', '--rm', 'busybox', 'sh', '-c', 'echo runs; exec sleep 1000'];
  const started = startByHand(await tsrun.ok('explain', '--as', 'sh', ...args));
  await new Promise((resolve) => started.child.stdout?.once('data', resolve));
  started.child.kill(signal);
  const { code } = await started.finished;
  expect(code).toBe(128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal]);
});

/** A script cannot close descriptors above 9, so it gets none: whoever runs the tests may have left some open. */
const WITHOUT_DESCRIPTORS =
  'for fd in 3 $(ls /proc/self/fd); do if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi; done; exec "$@"';

interface ByHand {
  readonly shell?: string;
  readonly input?: string;
}

async function runByHand(script: string, options: ByHand = {}): Promise<Finished> {
  return startByHand(script, options).finished;
}

/** Starts the script as a person would; when the test ends, its temporary directory must be empty again. */
function startByHand(
  script: string,
  { shell = 'sh', input = '' }: ByHand = {},
): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const directory = mkdtempSync(join(tsrun.scratch, 'by-hand-'));
  const temporary = join(directory, 'tmp');
  const file = join(directory, 's.sh');
  mkdirSync(temporary);
  writeFileSync(file, script);
  const child = spawn('bash', ['--norc', '-c', WITHOUT_DESCRIPTORS, 'bash', shell, file], {
    env: { ...process.env, TMPDIR: temporary },
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  const finished = Promise.all([ended, buffer(child.stdout), buffer(child.stderr)]).then(
    ([code, out, err]) => ({
      code,
      stdout: String(out),
      stderr: String(err),
    }),
  );
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await finished;
    const left = readdirSync(temporary);
    rmSync(directory, { recursive: true, force: true });
    expect(left, 'left in the temporary directory').toEqual([]);
  });
  return { child, finished };
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
