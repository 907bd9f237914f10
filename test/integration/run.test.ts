/** The main job, seen from inside: what a program finds around it when it is run from a real image. */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox', 'debian', 'python'] });
const inside = (script: string) => tsrun.ok('run', '--rm', 'busybox', 'sh', '-c', script);

describe('tsrun run starts the program of an image', () => {
  test('bash of a Debian image', async () => {
    const script = '. /etc/os-release; echo "$BASH_VERSION|$ID|$VERSION_CODENAME|$$"';
    expect(await tsrun.ok('run', '--rm', 'debian:bookworm', 'bash', '-c', script)).toMatch(
      /^5\.2\.\S+\|debian\|bookworm\|1\n$/,
    );
  });

  test('Python of a Python image, with its standard library and threads', async () => {
    const program = `
import os, json, hashlib, threading
seen = []
threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps([os.getpid(), sorted(seen), hashlib.sha256(b"tsrun").hexdigest()[:8]]))`;
    const stdout = await tsrun.ok('run', '--rm', 'python:3', 'python3', '-c', program);
    expect(JSON.parse(stdout)).toEqual([1, [0, 1, 2, 3, 4, 5, 6, 7], '3e426dce']);
  });

  test("the image's own command when none is given, and both output streams apart", async () => {
    const { code, stdout, stderr } = await tsrun.runWith(
      { stdin: 'echo to stdout; echo to stderr >&2' },
      ...['run', '--rm', '-i', 'busybox'],
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'to stdout\n', stderr: 'to stderr\n' });
  });
});

describe('a program in a container', () => {
  test('is PID 1 and sees no process of the host', async () => {
    expect(await inside('echo $$; ls /proc | grep "^[0-9]"')).toMatch(/^1\n1\n2\n(3\n)?$/);
  });

  test('has namespaces of its own: pid, mount, network, uts, ipc and cgroup', async () => {
    const kinds = ['pid', 'mnt', 'net', 'uts', 'ipc', 'cgroup'];
    const own = await inside(`for k in ${kinds.join(' ')}; do readlink /proc/self/ns/$k; done`);
    const host = kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    expect(own.trim().split('\n')).toHaveLength(kinds.length);
    expect(own.split('\n').filter((line) => host.includes(line))).toEqual([]);
  });

  test('has a host name of its own, the same in the kernel, in /etc and in the environment', async () => {
    const names = await inside('hostname; cat /etc/hostname; echo $HOSTNAME; tail -1 /etc/hosts');
    expect(names).toMatch(/^([0-9a-f]{12})\n\1\n\1\nfd[0-9a-f:]+\t\1\n$/);
    expect(names).not.toContain(hostname());
  });

  test('has a root file system of its own: the image below, and a writable layer', async () => {
    const script = 'stat -f -c %T /; touch /new && ls -d /new /bin/busybox; ls /work; true';
    const { stdout, stderr } = await tsrun.run('run', '--rm', 'busybox', 'sh', '-c', script);
    expect(stdout).toMatch(/^(overlay\S*|UNKNOWN)\n\/bin\/busybox\n\/new\n$/);
    expect(stderr).toBe('ls: /work: No such file or directory\n');
    expect(await inside('ls /')).toBe('bin\ndev\netc\nhome\nlinuxrc\nproc\nroot\nsbin\nsys\ntmp\nusr\nvar\n');
  });

  test('sees nothing of the host in its mount table, but the three files the engine makes', async () => {
    const mounts = (await inside('cat /proc/self/mountinfo')).trim().split('\n');
    const bound = mounts.filter(
      (line) => line.includes(`${tsrun.dataRoot}/`) && !line.includes(' - overlay '),
    );
    const fields = mounts.map((line) => line.split(' '));
    expect(bound.length).toBeLessThanOrEqual(3);
    expect(fields.map((f) => f[4])).toEqual(
      expect.arrayContaining(['/', '/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue', '/sys']),
    );
    const ofHost = fields.filter((f) => ['ext4', 'xfs', 'btrfs', '9p'].includes(f[f.indexOf('-') + 1] ?? ''));
    expect(ofHost.map((f) => f[4]).filter((path) => !path?.startsWith('/etc/'))).toEqual([]);
  });

  test('has a network of its own: a loopback, which is up and answers, and an interface on a bridge', async () => {
    const script =
      'ls /sys/class/net; ip -o link show lo | grep -o "<[A-Z,_]*>"; ping -c 1 -W 2 127.0.0.1 | grep -c "1 packets received"';
    expect(await inside(script)).toBe('eth0\nlo\n<LOOPBACK,UP,LOWER_UP>\n1\n');
  });

  test('has PATH, HOSTNAME and HOME in its environment, and nothing of the host', async () => {
    const { stdout } = await tsrun.runWith(
      { env: { CANARY: 'host', TERM: 'host', LANG: 'host' } },
      ...['run', '--rm', '--hostname', 'box', 'busybox', 'env'],
    );
    expect(stdout.trim().split('\n').toSorted()).toEqual([
      'HOME=/root',
      'HOSTNAME=box',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });

  test('begins in /, with file mode mask 022 and the standard three descriptors alone', async () => {
    expect(await inside('pwd; umask; ls /proc/1/fd; true')).toBe('/\n0022\n0\n1\n2\n');
  });

  test('has the devices every program expects, and no other', async () => {
    const script =
      'cd /dev; find . ! -type d | sort | xargs echo; head -c 5 zero | wc -c; echo x > null; echo x > full || echo is full';
    expect(await inside(script)).toBe(
      './core ./fd ./full ./null ./ptmx ./pts/ptmx ./random ./stderr ./stdin ./stdout ./tty ./urandom ./zero\n5\nis full\n',
    );
  });
});

describe('a container is confined', () => {
  test("to Docker's capabilities, with none that is inheritable or ambient, and a system call filter", async () => {
    const status = await inside('grep -E "^(Cap|NoNewPrivs|Seccomp:|Groups)" /proc/self/status');
    expect(status.replaceAll('\t', '').trim().split('\n')).toEqual([
      'Groups:0 ',
      'CapInh:0000000000000000',
      'CapPrm:00000000a80425fb',
      'CapEff:00000000a80425fb',
      'CapBnd:00000000a80425fb',
      'CapAmb:0000000000000000',
      'NoNewPrivs:0',
      'Seccomp:2',
    ]);
  });

  test('hidden paths are empty, where this kernel has them', async () => {
    const files = 'interrupts kcore keys latency_stats sched_debug timer_list timer_stats';
    const directories = '/proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap';
    const script = `cd /proc; for f in ${files}; do [ -e $f ] && head -c 1 $f; done; ls -A $(ls -d ${directories} 2>/dev/null | sed 's/$/\\/./') | grep -v ':$' | grep .; ls -d /proc/interrupts`;
    expect(await inside(script)).toBe('/proc/interrupts\n');
  });

  test('/proc/sys and its like are read-only', async () => {
    const script = `
for f in /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/irq/default_smp_affinity; do
  echo x 2>&1 > $f; done 2>&1 | grep -c "Read-only file system"
for d in bus fs irq sys; do grep " /proc/$d " /proc/mounts | cut -d" " -f4 | cut -c1-3; done`;
    expect(await inside(script)).toBe('3\nro,\nro,\nro,\nro,\n');
  });

  test('/sys and its cgroup are read-only, and the cgroup shows nothing above itself', async () => {
    const script =
      'mkdir /sys/fs/cgroup/x; echo 1 > /sys/fs/cgroup/cgroup.procs; grep ^0: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs';
    const { stdout, stderr } = await tsrun.run('run', '--rm', 'busybox', 'sh', '-c', script);
    expect(stderr).toBe(
      "mkdir: can't create directory '/sys/fs/cgroup/x': Read-only file system\nsh: can't create /sys/fs/cgroup/cgroup.procs: Read-only file system\n",
    );
    expect(stdout).toBe('0::/\n1\n');
  });

  test('it can neither mount, nor make namespaces, nor trace its way out, nor load modules', async () => {
    const script =
      'mount -t tmpfs x /tmp; unshare -m true; nsenter -t 1 -m true; chroot / true && echo chroot; mknod /n c 1 3 && echo mknod; insmod /x; date -s 2030-01-01; true';
    const { stdout, stderr } = await tsrun.run('run', '--rm', 'busybox', 'sh', '-c', script);
    expect(stdout).toContain('chroot\nmknod\n');
    expect(stderr).toMatch(/mount: .*Operation not permitted|mount: .*permission denied/);
    expect(stderr).toContain('unshare(0x20000): Operation not permitted');
    expect(stderr).toMatch(/nsenter: .*Operation not permitted/);
    expect(stderr).toContain("can't set date: Operation not permitted");
  });
});
