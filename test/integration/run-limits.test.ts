/** The flags of `run` about limits of a process and about what of the kernel it gets, seen from inside. */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const run = (flags: readonly string[], script: string) =>
  tsrun.run('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const inside = async (flags: readonly string[], script: string) => {
  const { code, stdout, stderr } = await run(flags, script);
  if (code !== 0) throw new Error(`status ${code}\n${stderr}`);
  return stdout;
};
const refused = (message: string, hint: string) => ({
  code: 125,
  stdout: '',
  stderr: `tsrun: ${message}\nhint: ${hint}\n`,
});
const CAP_SYS_RESOURCE = 1n << 24n;
const BOUNDING = BigInt(`0x${/^CapBnd:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
const MAY_RAISE = (BOUNDING & CAP_SYS_RESOURCE) !== 0n;
const HARD_NOFILE = Number(
  /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1],
);
/** Above this not even CAP_SYS_RESOURCE helps. */
const MOST_NOFILE = Number(readFileSync('/proc/sys/fs/nr_open', 'utf8'));

describe('--ulimit', () => {
  test('sets soft and hard limits, of the last one given', async () => {
    const flags = ['--ulimit', 'nofile=1:2', '--ulimit', 'nofile=100:200', '--ulimit', 'core=0'];
    expect(await inside(flags, 'ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc')).toBe('100\n200\n0\n0\n');
  });

  test('of open files is that of the program: its start may need more', async () => {
    const flags = ['--ulimit', 'nofile=3:3', '-u', '1000', '-w', '/tmp'];
    expect(await inside(flags, 'ulimit -n; pwd')).toBe('3\n/tmp\n');
  });

  test('is a limit that the kernel holds', async () => {
    const { stdout, stderr } = await run(
      ['--ulimit', 'fsize=1024'],
      'trap "" XFSZ; dd if=/dev/zero of=/f bs=4096 count=1; stat -c %s /f',
    );
    expect(stdout).toBe('1024\n');
    expect(stderr).toContain('File too large');
  });

  test('above what the host allows is the most it allows, and explain says why', async () => {
    const wanted = HARD_NOFILE + 1;
    const hard = await inside(['--ulimit', `nofile=100:${wanted}`], 'ulimit -Hn');
    expect(hard).toBe(`${MAY_RAISE && wanted <= MOST_NOFILE ? wanted : HARD_NOFILE}\n`);
    const explained = (await tsrun.ok('explain', 'run', '--ulimit', 'nofile=1', 'busybox')).replace(
      /\s+/g,
      ' ',
    );
    expect(explained).toContain(
      MAY_RAISE
        ? 'The limit RLIMIT_NOFILE; where the host does not allow as much, the most it allows.'
        : 'The limit RLIMIT_NOFILE; at most what the caller has, for root lacks CAP_SYS_RESOURCE here and can raise no limit.',
    );
  });
});

test('--shm-size is the size of /dev/shm, 64 MiB when not given', async () => {
  const script = "df -k /dev/shm | awk 'NR==2 {print $2}'";
  expect(await inside([], script)).toBe('65536\n');
  expect(await inside(['--shm-size', '1m'], script)).toBe('1024\n');
  expect((await run(['--shm-size', '1m'], 'dd if=/dev/zero of=/dev/shm/f bs=64k count=17')).stderr).toContain(
    'No space left on device',
  );
});

describe('--device', () => {
  const describeNode = (path: string) => `stat -c '%F %t:%T %a %u:%g' ${path}`;

  test('is a node with the numbers, mode and owner of the one on the host', async () => {
    const { mode, uid, gid } = statSync('/dev/full');
    expect(await inside(['--device', '/dev/full:/dev/mine/full'], describeNode('/dev/mine/full'))).toBe(
      `character special file 1:7 ${(mode & 0o777).toString(8)} ${uid}:${gid}\n`,
    );
    expect((await run(['--device', '/dev/full:/dev/mine/full'], 'echo x >/dev/mine/full')).stderr).toContain(
      'No space left on device',
    );
  });

  test('of a directory is every device in it', async () => {
    const script = `${describeNode('/d/null')} && ${describeNode('/d/zero')}`;
    expect(await inside(['--device', '/dev:/d'], script)).toMatch(
      /^character .* 1:3 .*\ncharacter .* 1:5 .*\n$/,
    );
  });

  test('is refused where there is none', async () => {
    const hint = 'correct the path after --device; ls -l shows a device with c or b in front';
    expect(await run(['--device', '/dev/nosuch'], 'true')).toEqual(
      refused('Cannot give the container the device /dev/nosuch: it does not exist on the host', hint),
    );
    expect(await run(['--device', '/etc/passwd'], 'true')).toEqual(
      refused(
        'Cannot give the container the device /etc/passwd: it is neither a device nor a directory of devices',
        hint,
      ),
    );
  });
});

describe('--oom-score-adj', () => {
  test('is the score of the program and of what it starts', async () => {
    const script = 'cat /proc/self/oom_score_adj /proc/1/oom_score_adj';
    expect(await inside(['--oom-score-adj', '500'], script)).toBe('500\n500\n');
  });

  test('can protect it only where root has CAP_SYS_RESOURCE, and says so elsewhere', async () => {
    const protectedRun = await run(['--oom-score-adj', '-900'], 'cat /proc/self/oom_score_adj');
    expect(protectedRun).toEqual(
      MAY_RAISE
        ? { code: 0, stdout: '-900\n', stderr: '' }
        : refused(
            'Cannot start the container: the OOM score cannot be set to -900: EACCES',
            'root lacks CAP_SYS_RESOURCE on this host, and may only raise the score: give --oom-score-adj a higher value',
          ),
    );
  });
});

describe('--sysctl', () => {
  test('sets what is of its own namespaces, and not of the host', async () => {
    const before = readFileSync('/proc/sys/kernel/msgmax', 'utf8');
    const flags = ['--sysctl', 'kernel.msgmax=1234', '--sysctl', 'net/ipv4/ip_forward=1'];
    const files = '/proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward';
    expect(await inside(flags, `cat ${files}`)).toBe('1234\n1\n');
    expect(readFileSync('/proc/sys/kernel/msgmax', 'utf8')).toBe(before);
  });

  test.each([
    [
      ['--sysctl', 'kernel.core_pattern=|/x'],
      'Cannot set the sysctl "kernel.core_pattern": it belongs to the host',
    ],
    [
      ['--network', 'host', '--sysctl', 'net.ipv4.ip_forward=1'],
      'Cannot set the sysctl "net.ipv4.ip_forward": the container has no network namespace of its own',
    ],
    [
      ['--sysctl', 'net.ipv4.nosuch=1'],
      'Cannot start the container: this kernel has no sysctl net.ipv4.nosuch',
    ],
    [
      ['--sysctl', 'net.ipv4.ip_forward=x'],
      'Cannot start the container: the kernel refuses the value "x" for the sysctl net.ipv4.ip_forward: EINVAL',
    ],
  ])('%j is refused', async (flags, message) => {
    const { code, stdout, stderr } = await run(flags, 'true');
    expect([code, stdout, stderr.split('\n')[0]]).toEqual([125, '', `tsrun: ${message}`]);
  });
});

test('--cgroupns host shows the cgroups of the host, which stay as they are; private its own as the root', async () => {
  const script = 'readlink /proc/self/ns/cgroup; grep ^0:: /proc/self/cgroup';
  const host = readlinkSync('/proc/self/ns/cgroup');
  const cgroupMounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => / - cgroup2 /.test(line));
  const mounts = cgroupMounts();
  const [shared = '', path] = (await inside(['--cgroupns', 'host'], script)).split('\n');
  expect(cgroupMounts()).toEqual(mounts);
  expect((await run(['--cgroupns', 'host'], 'mkdir /sys/fs/cgroup/x')).stderr).toContain(
    'Read-only file system',
  );
  expect(shared).toBe(host);
  expect(path).toMatch(/^0::\/.*[0-9a-f]{64}$/);
  const [own, root] = (await inside([], script)).split('\n');
  expect(own).not.toBe(host);
  expect(root).toBe('0::/');
});

test('--hardened leaves eleven capabilities, without mknod, raw packets and the audit log', async () => {
  expect(await inside(['--hardened'], 'grep CapBnd /proc/self/status')).toBe('CapBnd:\t00000000800405fb\n');
  expect((await run(['--hardened'], 'mknod /n c 1 3')).stderr).toContain('Operation not permitted');
});

test('inspect tells of them, under the names Docker has', async () => {
  const flags = [
    '--ulimit',
    'nofile=100:200',
    '--shm-size',
    '1m',
    '--oom-score-adj',
    '10',
    '--cgroupns',
    'host',
  ];
  try {
    await tsrun.ok('run', '--name', 'limited', ...flags, 'busybox', 'true');
    const [{ HostConfig }] = JSON.parse(await tsrun.ok('inspect', 'limited'));
    expect(HostConfig).toMatchObject({
      Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
      ShmSize: 1_048_576,
      OomScoreAdj: 10,
      CgroupnsMode: 'host',
    });
  } finally {
    await tsrun.ok('rm', '-f', 'limited');
  }
});
