/** `npm run vm` from the host's side: what a person or a test suite that uses the machine relies on. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { umlRunsHere } from '../../scripts/vm/uml.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const RUN_SH = join(REPOSITORY, 'scripts/vm/run.sh');
/** The first boot on a new computer downloads the kernel and finds out about KVM. */
const FIRST_BOOT_MS = 300_000;

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const scratch = mkdtempSync(join(tmpdir(), 'vm-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function start(args: readonly string[], input = '') {
  const { INIT_CWD: _, ...env } = process.env;
  const child = spawn('bash', [RUN_SH, ...args], { cwd: REPOSITORY, env: { ...env, TMPDIR: scratch } });
  child.stdin.on('error', () => {}); // a machine that ends early does not read it
  child.stdin.end(input);
  return child;
}

async function vm(args: readonly string[], input?: string): Promise<Finished> {
  const child = start(args, input);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
}

/** Processes of machines started by this file: each has its run directory, below `scratch`, as an argument. */
function machineProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => join('/proc', pid, 'cmdline'))
    .filter((path) => existsSync(path))
    .map((path) => readIfThere(path))
    .filter((commandLine) => commandLine.includes(`${scratch}/tsrun-vm-`));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

const runDirectories = () => readdirSync(scratch).filter((name) => name.startsWith('tsrun-vm-'));

/** What one boot looks at; each line is `name=value`. */
const LOOK = `
echo "cgroup=$(stat -f -c %T /sys/fs/cgroup)"
echo "delegated=$(cat /sys/fs/cgroup/cgroup.subtree_control)"
echo "v1=$(grep -c ' - cgroup ' /proc/self/mountinfo)"
echo "root=$(stat -f -c %T /)"
echo "data=$(stat -f -c %T /var/lib/tsrun) $(stat -f -c %T /tmp)"
echo "cwd=$PWD"
echo "uid=$(id -u)"
echo "strict=$STRICT"
echo "given=$GIVEN"
echo "links=$(ls /sys/class/net | tr '\\n' ' ')"
modprobe -a veth bridge tun loop && echo "modules=loaded"
echo "input=$(cat)"
echo intruder > "$MARKER" && echo "marker=$(cat "$MARKER")"
mkdir /tmp/again
mount -t 9p -o trans=virtio,version=9p2000.L hostroot /tmp/again 2>/dev/null ||
  mount -t hostfs -o / again /tmp/again 2>/dev/null && echo "again=mounted"
touch "/tmp/again$MARKER" 2>/dev/null
echo "shared=written" > "$SHARE/report"
echo "to stderr" >/dev/stderr
`;

const MACHINES = [
  {
    machine: 'QEMU',
    runsHere: true,
    option: [],
    controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids'],
    readsInput: true,
    mountsAgain: false,
  },
  {
    machine: 'user-mode-linux',
    runsHere: umlRunsHere(),
    option: ['--uml'],
    controllers: ['cpu', 'io', 'memory', 'pids'],
    readsInput: false,
    mountsAgain: true,
  },
];
/** Where a processor keeps one from running, a test further down holds it to saying so. */
const RUN_HERE = MACHINES.filter((machine) => machine.runsHere);

describe.each(RUN_HERE)('the $machine machine', ({ option, controllers, readsInput, mountsAgain }) => {
  const marker = join(REPOSITORY, `.cache/vm-marker-${process.pid}`);
  const share = mkdtempSync(join(scratch, 'share-'));
  let looked: Finished;
  const seen = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(looked.stdout)?.[1];

  beforeAll(async () => {
    process.env.GIVEN = 'it\'s "quoted" $HOME';
    const env = ['STRICT=yes', 'GIVEN', `MARKER=${marker}`, `SHARE=${share}`].flatMap((one) => [
      '--env',
      one,
    ]);
    looked = await vm([...option, ...env, '--rw-dir', share, 'sh', '-c', LOOK], 'from outside');
  }, FIRST_BOOT_MS);

  test('a command that succeeds returns 0, with its output on the right streams', () => {
    expect(looked).toMatchObject({ code: 0, stderr: 'to stderr\n' });
  });

  test('there is cgroup v2 alone, with its controllers handed to children', () => {
    expect(seen('cgroup')).toBe('cgroup2fs');
    expect(seen('v1')).toBe('0');
    expect(seen('delegated')?.split(' ')).toEqual(expect.arrayContaining(controllers));
  });

  test('the command runs as root, where the caller stood, with the variables asked for', () => {
    expect(seen('uid')).toBe('0');
    expect(seen('cwd')).toBe(REPOSITORY);
    expect(seen('strict')).toBe('yes');
    expect(seen('given')).toBe(process.env.GIVEN);
  });

  test('data roots lie on tmpfs, since overlayfs takes no upper directory on itself', () => {
    expect(seen('root')).toBe('overlayfs');
    expect(seen('data')).toBe('tmpfs tmpfs');
  });

  test('modules of its kernel can be loaded, and the only link is lo', () => {
    expect(seen('modules')).toBe('loaded');
    expect(seen('links')?.trim()).toBe('lo');
  });

  test(readsInput ? 'standard input arrives, and its end too' : 'standard input is empty', () => {
    expect(seen('input')).toBe(readsInput ? 'from outside' : '');
  });

  test('what is written in the machine is not on the host, but for a shared directory', () => {
    expect(seen('marker')).toBe('intruder');
    expect(seen('again')).toBe(mountsAgain ? 'mounted' : undefined); // then the host refuses the write
    expect(existsSync(marker)).toBe(false);
    expect(readFileSync(join(share, 'report'), 'utf8')).toBe('shared=written\n');
  });

  test('two machines at once return their own status: an exit code, and 128+n for a signal', async () => {
    const [exited, killed] = await Promise.all([
      vm([...option, '--disk', 'sh', '-c', 'stat -f -c %T /var/lib/tsrun /var/tmp; exit 7']),
      vm([...option, 'sh', '-c', 'kill -KILL $$']),
    ]);
    expect([exited.code, killed.code]).toEqual([7, 128 + 9]);
    expect(exited.stdout).toBe('ext2/ext3\next2/ext3\n'); // as stat names ext4, and only with --disk
  }, 60_000);

  test('a kernel panic is status 125 and the path of the console log, which tells of it', async () => {
    const { code, stderr } = await vm([...option, 'sh', '-c', 'echo c >/proc/sysrq-trigger; sleep 60']);
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringMatching(/machine stopped before/) });
    const log = /console log is (\S+)/.exec(stderr)?.[1] ?? '';
    expect(readFileSync(log, 'utf8')).toMatch(/Kernel panic/);
    rmSync(join(log, '..'), { recursive: true });
  }, 60_000);

  test('after its time it is ended with status 125, and no process of it remains', async () => {
    const { code, stderr } = await vm([...option, '--timeout', '1', 'sleep', '1000']);
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringMatching(/did not end within 1 s/) });
    expect(machineProcesses()).toEqual([]);
    for (const name of runDirectories()) rmSync(join(scratch, name), { recursive: true });
  }, 60_000);

  test.each([
    { signal: 'SIGTERM', code: 143, directories: 0 },
    { signal: 'SIGKILL', code: null, directories: 1 },
  ] as const)(
    '$signal to the launcher takes the machine away',
    async ({ signal, code, directories }) => {
      const child = start([...option, 'sh', '-c', 'echo up; sleep 1000']);
      const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
      await new Promise((resolve) => child.stdout.once('data', resolve));
      expect(machineProcesses()).not.toEqual([]);
      child.kill(signal);
      expect(await closed).toBe(code);
      await expect.poll(machineProcesses).toEqual([]);
      expect(runDirectories()).toHaveLength(directories);
      for (const name of runDirectories()) rmSync(join(scratch, name), { recursive: true });
    },
    60_000,
  );
});

if (!umlRunsHere())
  test('user-mode-linux says why it does not run here', async () => {
    const { code, stderr } = await vm(['--uml', 'true']);
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringMatching(/the processor has AMX/) });
  });

describe('bad input', () => {
  test.each([
    { args: [], message: /No command given/ },
    { args: ['--tiemout', '3', 'true'], message: /tiemout/ },
    { args: ['--timeout', 'soon', 'true'], message: /number of seconds, not 'soon'/ },
    { args: ['--mem', 'lots', 'true'], message: /size such as 3G/ },
    { args: ['--rw-dir', '/does/not/exist', 'true'], message: /\/does\/not\/exist/ },
  ])('$args is refused with one message and status 125', async ({ args, message }) => {
    const { code, stdout, stderr } = await vm(args);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(message);
    expect(runDirectories()).toEqual([]);
  });

  test('a command that does not exist is 127, one that is not executable 126', async () => {
    const [missing, plain] = await Promise.all([vm(['/does/not/exist']), vm(['/etc/passwd'])]);
    expect([missing.code, plain.code]).toEqual([127, 126]);
  }, 60_000);
});
