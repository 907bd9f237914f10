/**
 * Known attacks on OCI runtimes, tried through the command line of `tsrun-oci`. After each, a directory of the host and the
 * programs of tsrun are what they were: content, mode, owner, links, times.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errnoOf } from '../../src/lib/errors.ts';
import { type BundleChanges, type OciFinished, useOci } from '../support/oci.ts';
import { fingerprint } from '../support/sentinel.ts';
import { NATIVE_DIRECTORY, OCI_PROGRAM, SLOWNESS } from '../support/under-test.ts';

const oci = useOci();
const victim = join(oci.scratch, 'victim');
mkdirSync(join(victim, 'sub'), { recursive: true });
for (const name of ['file', 'null', 'console']) writeFileSync(join(victim, name), 'of the host\n');

const OWN_FILES = [OCI_PROGRAM, ...['tsrun-exec', 'libtsrun.so'].map((name) => join(NATIVE_DIRECTORY, name))];
let before = '';
beforeEach(() => {
  before = fingerprint(victim, ...OWN_FILES);
});
afterEach(() => {
  expect(fingerprint(victim, ...OWN_FILES)).toBe(before);
});

let count = 0;
const newId = () => `attack${++count}`;

/** `create` and `start` keep the streams they are given, so their words are in the log; here `run` is what an attacker gets. */
const run = (changes: BundleChanges, ...flags: string[]) =>
  oci.run('run', '-b', oci.bundle(changes), ...flags, newId());

function output(changes: BundleChanges): string {
  const { code, stdout, stderr } = run(changes);
  if (code !== 0) throw new Error(`status ${code}: ${stderr}`);
  return stdout;
}

/** With a word of ours on it: not by a crash, nor because the attack did not work as it was written. */
function expectRefused({ code, stderr }: OciFinished, words: RegExp): void {
  expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(/\n +at /);
  expect(code).toBeGreaterThan(0);
}

/** A container that sleeps, for what `exec` is told. */
async function withSleeper(changes: BundleChanges, use: (id: string) => void | Promise<void>): Promise<void> {
  const id = newId();
  const bundle = oci.bundle({ args: ['sleep', '1000'], ...changes });
  expect(oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, id).code).toBe(0);
  try {
    await use(id);
  } finally {
    oci.ok('delete', '-f', id);
  }
}

interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

/** The mounts of the example configuration, but for those at and below these places; then more. */
function mounts(without: readonly string[], more: readonly Mount[] = []): readonly Mount[] {
  const example = JSON.parse(readFileSync(join(oci.bundle({}), 'config.json'), 'utf8')) as {
    mounts: Mount[];
  };
  const stays = ({ destination }: Mount) =>
    !without.some((place) => destination === place || destination.startsWith(`${place}/`));
  return [...example.mounts.filter(stays), ...more];
}

/** A root file system of its own, changed by `change`. */
function rootWith(change: (rootfs: string) => void, readonly = true): { path: string; readonly: boolean } {
  const path = oci.rootfs();
  change(path);
  return { path, readonly };
}

const PTS: Mount = {
  destination: '/dev/pts',
  type: 'devpts',
  source: 'devpts',
  options: ['newinstance', 'ptmxmode=0666'],
};
const TMP: Mount = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' };

describe('the program that enters a container (CVE-2019-5736)', () => {
  test.for([
    ['as the program of the container', ['/proc/self/exe']],
    ['behind a link', ['/bin/link']],
    ['as the interpreter of a script', ['/bin/script']],
  ] as const)('%s is not written', ([, args]) => {
    const root = rootWith((rootfs) => {
      symlinkSync('/proc/self/exe', join(rootfs, 'bin/link'));
      writeFileSync(join(rootfs, 'bin/script'), '#!/proc/self/exe\n', { mode: 0o755 });
    });
    expect(run({ args, config: { root } }).code).not.toBe(0);
  });

  test('cannot be opened for writing by a container that waits for it', async () => {
    const script =
      'while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || (echo pwned >$p/exe) 2>/dev/null && [ $p != /proc/1 ] && echo $p >>/tmp/written; done; done';
    await withSleeper({ args: ['sh', '-c', script], config: { mounts: mounts([], [TMP]) } }, (id) => {
      for (let round = 0; round < 20; round++) oci.ok('exec', id, 'true');
      expect(oci.run('exec', id, 'cat', '/tmp/written').stderr).toContain('No such file');
    });
  });
});

describe('descriptors of the host (CVE-2024-21626)', () => {
  const places = [3, 4, 5, 6, 8, 16].flatMap((fd) => [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../..`]);

  test('are no working directory of the container', () => {
    for (const cwd of places) expectRefused(run({ args: ['pwd'], process: { cwd } }), /\/proc\/self\/fd/);
  });

  test('are no working directory of another program, and are not passed on', async () => {
    await withSleeper({}, (id) => {
      for (const cwd of places) expectRefused(oci.run('exec', '--cwd', cwd, id, 'pwd'), /\/proc\/self\/fd/);
      expect(oci.ok('exec', id, 'ls', '/proc/1/fd')).toBe('0\n1\n2\n');
    });
  });
});

describe('devices of the image', () => {
  test.for([
    ['a link to the host', (path: string) => symlinkSync(join(victim, 'null'), path)],
    [
      'a link to a parameter of the kernel',
      (path: string) => symlinkSync('/proc/sys/kernel/core_pattern', path),
    ],
    ['a file', (path: string) => writeFileSync(path, '')],
    ['another device', (path: string) => mknodAt(path, 1, 5)],
  ] as const)('a /dev/null that is %s masks nothing (CVE-2025-31133)', ([, make]) => {
    const root = rootWith((rootfs) => make(join(rootfs, 'dev/null')));
    expectRefused(run({ args: ['true'], config: { root, mounts: mounts(['/dev']) } }), /null/);
  });

  test.for([true, false])(
    'a /dev/console that is a link gets no terminal, read-only root: %s (CVE-2025-52565)',
    (readonly) => {
      const socket = join(oci.scratch, `console${newId()}`);
      const server = createServer().listen(socket);
      try {
        const root = rootWith((rootfs) => {
          mkdirSync(join(rootfs, 'dev/pts'));
          symlinkSync(join(victim, 'console'), join(rootfs, 'dev/console'));
        }, readonly);
        const bundle = oci.bundle({
          args: ['true'],
          process: { terminal: true },
          config: { root, mounts: [...mounts(['/dev']), PTS] },
        });
        expectRefused(oci.run('create', '-b', bundle, '--console-socket', socket, newId()), /console/);
      } finally {
        server.close();
      }
    },
  );
});

describe('a root file system whose directory is a link to the host (CVE-2019-19921, CVE-2026-41579)', () => {
  test.for(['proc', 'sys', 'dev'])('/%s', (name) => {
    for (const target of [victim, `../../../../../../../..${victim}`, 'bin']) {
      const root = rootWith((rootfs) => {
        rmSync(join(rootfs, name), { recursive: true });
        symlinkSync(target, join(rootfs, name));
      });
      expect(run({ args: ['true'], config: { root } }).code, target).not.toBe(0);
    }
  });

  test('/dev, with nothing mounted on it', () => {
    const root = rootWith((rootfs) => {
      rmSync(join(rootfs, 'dev'), { recursive: true });
      symlinkSync(victim, join(rootfs, 'dev'));
    }, false);
    expect(run({ args: ['true'], config: { root, mounts: mounts(['/dev']) } }).code).not.toBe(0);
  });
});

describe('what writes to /proc would be turned aside by (CVE-2019-16884, CVE-2025-52881)', () => {
  test.for(['/proc/self/attr', '/proc/sys', '/proc/self', '/proc'])(
    'a tmpfs on %s is refused',
    (destination) => {
      const more = [{ destination, type: 'tmpfs', source: 'tmpfs' }];
      expectRefused(run({ args: ['true'], config: { mounts: mounts([], more) } }), /\/proc/);
    },
  );
});

test(
  'a directory that turns into a link while it is mounted on leads nowhere (CVE-2021-30465)',
  async () => {
    const shared = join(oci.scratch, 'shared');
    mkdirSync(join(shared, 'place'), { recursive: true });
    let turns = true;
    const place = join(shared, 'place');
    const aside = join(shared, 'aside');
    const turning = (async () => {
      while (turns) {
        renameSync(place, aside);
        putInPlace(place, () => symlinkSync(victim, place));
        await setImmediate();
        putInPlace(place, () => renameSync(aside, place));
        await setImmediate();
      }
    })();
    const more = [
      { destination: '/shared', type: 'bind', source: shared, options: ['rbind'] },
      { destination: '/shared/place/new', type: 'tmpfs', source: 'tmpfs' },
    ];
    const root = rootWith((rootfs) => mkdirSync(join(rootfs, 'shared')));
    const bundle = oci.bundle({
      args: ['sh', '-c', 'echo x >/shared/place/new/x'],
      config: { root, mounts: mounts([], more) },
    });
    for (let round = 0; round < 20; round++) {
      const child = spawn(OCI_PROGRAM, ['--root', oci.root, 'run', '-b', bundle, newId()], {
        stdio: 'ignore',
      });
      await once(child, 'exit');
      expect(fingerprint(victim, ...OWN_FILES)).toBe(before);
    }
    turns = false;
    await turning;
  },
  60_000 * SLOWNESS,
);

describe('rights', () => {
  const rights = (text: string, name: string) => new RegExp(`^${name}:\\s*(\\w*)$`, 'm').exec(text)?.[1];
  const NONE = '0000000000000000';

  test('are not inheritable (CVE-2022-29162)', async () => {
    const caps = ['CAP_KILL', 'CAP_CHOWN'];
    const capabilities = { bounding: caps, effective: caps, permitted: caps };
    await withSleeper({ process: { capabilities } }, (id) => {
      const first = oci.ok('exec', id, 'cat', '/proc/1/status');
      const second = oci.ok('exec', '--cap', 'CAP_NET_ADMIN', id, 'cat', '/proc/self/status');
      for (const status of [first, second]) {
        expect(rights(status, 'CapInh')).toBe(NONE);
        expect(rights(status, 'CapAmb')).toBe(NONE);
      }
      expect(rights(second, 'CapEff')).toBe('0000000000001021');
    });
  });

  test('groups are those of the configuration, and none of the caller (CVE-2022-36109)', () => {
    const root = rootWith((rootfs) => {
      writeFileSync(join(rootfs, 'etc/secret'), 'secret\n');
      chmodSync(join(rootfs, 'etc/secret'), 0o707);
      chownSync(join(rootfs, 'etc/secret'), 0, 2000);
    });
    const changes = (additionalGids?: number[]) => ({
      args: ['sh', '-c', 'grep Groups /proc/self/status; cat /etc/secret'],
      process: { user: { uid: 1000, gid: 1000, additionalGids } },
      config: { root },
    });
    const denied = run(changes([2000, 3000]));
    expect(denied.stdout).toBe('Groups:\t2000 3000 \n');
    expect(denied.stderr).toContain('Permission denied');

    const bundle = oci.bundle(changes());
    const words = ['--groups', '4,27,2000', OCI_PROGRAM, '--root', oci.root, 'run', '-b', bundle, newId()];
    expect(execFileSync('setpriv', words, { encoding: 'utf8' })).toBe('Groups:\t \nsecret\n');
  });

  test('a user is a number that the kernel has (CVE-2026-30892)', async () => {
    await withSleeper({}, (id) => {
      expect(oci.ok('exec', '-u', '1', id, 'id', '-u')).toBe('1\n');
      for (const user of ['4294967295', '4294967296', '-1', '1e9', '0x0', '', ' 1', '1:-1', '1:4294967295'])
        expectRefused(oci.run('exec', `--user=${user}`, id, 'id'), /--user/);
    });
    for (const uid of [4294967295, 4294967296, -1, 1.5, '0'])
      expectRefused(run({ args: ['id'], process: { user: { uid, gid: 0 } } }), /uid/);
  });
});

describe('too much (CVE-2021-43784)', () => {
  test('5000 maps of ids are an error', () => {
    const maps = Array.from({ length: 5000 }, (_, i) => ({ containerID: i, hostID: 100_000 + i, size: 1 }));
    const namespaces = ['pid', 'network', 'ipc', 'uts', 'mount', 'user'].map((type) => ({ type }));
    expectRefused(
      run({ args: ['true'], linux: { namespaces, uidMappings: maps, gidMappings: maps } }),
      /uid|gid|map/i,
    );
  });

  test.for<[string, BundleChanges]>([
    ['a program', { args: [`/${'a/'.repeat(35_000)}`] }],
    ['a working directory', { args: ['true'], process: { cwd: `/${'a/'.repeat(35_000)}` } }],
    ['a cgroup', { args: ['true'], linux: { cgroupsPath: `/${'a'.repeat(70_000)}` } }],
    ['a hostname', { args: ['true'], config: { hostname: 'a'.repeat(70_000) } }],
    ['a masked path', { args: ['true'], linux: { maskedPaths: [`/${'a/'.repeat(35_000)}`] } }],
  ])('%s of 70 KB is an error', ([, changes]) => {
    expectRefused(run(changes), /./);
  });

  test('a variable of 70 KB is no error, and arrives whole', () => {
    const long = 'x'.repeat(70_000);
    const args = ['sh', '-c', 'echo "$LONG"'];
    expect(output({ args, process: { env: ['PATH=/bin', `LONG=${long}`] } })).toBe(`${long}\n`);
  });
});

describe('parameters of the kernel that are not of the container (CVE-2022-0811)', () => {
  const pattern = () => readFileSync('/proc/sys/kernel/core_pattern', 'utf8');

  test.for([
    'kernel.core_pattern',
    'vm.swappiness',
    'net/../kernel/core_pattern',
    'net.ipv4.ip_forward/../../../kernel/core_pattern',
    'kernel/shm_rmid_forced/../core_pattern',
    '../../etc/passwd',
    '/proc/sys/kernel/core_pattern',
  ])('%s', (name) => {
    const was = pattern();
    expectRefused(run({ args: ['true'], linux: { sysctl: { [name]: '|/x' } } }), /sysctl/);
    expect(pattern()).toBe(was);
  });

  test('those of the network, when it is that of the host', () => {
    const namespaces = ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type }));
    expectRefused(
      run({ args: ['true'], linux: { namespaces, sysctl: { 'net.ipv4.ip_forward': '1' } } }),
      /network/,
    );
  });
});

describe('cgroups', () => {
  test('the path does not climb out of the hierarchy (CVE-2023-6476)', () => {
    const cgroupsPath = `/../../${newId()}-tsrun`;
    const { stdout, stderr } = run({ args: ['cat', '/proc/self/cgroup'], linux: { cgroupsPath } });
    expect(stdout).not.toContain('..');
    expect(`${stdout}${stderr}`).toMatch(/-tsrun/);
  });

  test('nor does that of another program', async () => {
    await withSleeper({}, (id) => {
      for (const cgroup of ['../..', 'a/../../..', 'pids:../..', 'cpu,memory:/..'])
        expectRefused(oci.run('exec', '--cgroup', cgroup, id, 'true'), /cgroup/);
    });
  });

  test('are not written from inside (CVE-2023-25809)', () => {
    const script = 'for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do busybox mkdir $d/mine; done';
    const { code, stderr } = run({ args: ['sh', '-c', script] });
    expect(code).not.toBe(0);
    expect(stderr).toContain('Read-only file system');
    expect(existsSync('/sys/fs/cgroup/pids/mine')).toBe(false);
  });
});

test('no abstract socket is there for who shares the network (CVE-2020-15257)', async () => {
  const namespaces = ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type }));
  const id = newId();
  const waiting = oci.bundle({ args: ['sleep', '100'], linux: { namespaces } });
  expect(oci.runWith({ stdio: 'ignore' }, 'create', '-b', waiting, id).code).toBe(0);
  try {
    const sockets = output({ args: ['cat', '/proc/net/unix'], linux: { namespaces } }).split('\n');
    // Others of this machine may have some: none has a name of ours, nor none at all, as those that the kernel chooses.
    expect(sockets.filter((line) => /@.*(tsrun|start\.sock)| @[0-9a-f]{5}$/.test(line))).toEqual([]);
  } finally {
    oci.ok('delete', '-f', id);
  }
});

test('only the devices of the configuration can be opened', () => {
  const caps = ['CAP_MKNOD', 'CAP_DAC_OVERRIDE'];
  const capabilities = { bounding: caps, effective: caps, permitted: caps };
  const nodes = ['kmsg c 1 11', 'mem c 1 1', 'fuse c 10 229', 'disk b 254 0', 'loop b 7 0'];
  const script = [
    // As with runc, a node may be made; the kernel refuses to open it.
    ...nodes.map((node) => `busybox mknod /tmp/${node}; cat /tmp/${node.split(' ')[0]} 2>&1`),
    'cat /dev/null && echo x >/dev/null && busybox head -c 1 /dev/zero | busybox wc -c',
  ].join('\n');
  const result = output({
    args: ['sh', '-c', script],
    process: { capabilities },
    config: { mounts: mounts([], [TMP]) },
  });
  expect(result.match(/Operation not permitted/g)).toHaveLength(nodes.length);
  expect(result).toMatch(/\n1\n$/);
});

describe('signs that separate', () => {
  test('stay within their variable and their argument', () => {
    const value = 'a\nB=injected\r\n"; echo $(id) `id`';
    const args = ['sh', '-c', 'printf "%s|%s|%s" "$A" "$B" "$1"', 'sh', value];
    expect(output({ args, process: { env: ['PATH=/bin', `A=${value}`] } })).toBe(`${value}||${value}`);
  });

  test.for<[string, BundleChanges]>([
    ['a variable', { args: ['true'], process: { env: ['A=b\0C=d'] } }],
    ['an argument', { args: ['true', 'a\0b'] }],
    ['a working directory', { args: ['true'], process: { cwd: '/\0/x' } }],
    ['a mount', { args: ['true'], config: { mounts: [{ destination: '/tmp\0/x', type: 'tmpfs' }] } }],
    ['a cgroup', { args: ['true'], linux: { cgroupsPath: '/a\0b' } }],
  ])('%s with a NUL is refused', ([, changes]) => {
    expectRefused(run(changes), /NUL|null byte|\\0|\\u0000|zero/i);
  });

  test('an annotation, however it is called, changes nothing', () => {
    const annotations = {
      'run.oci.hooks.stdout': join(victim, 'file'),
      'run.oci.keep_original_groups': '1',
      'org.systemd.property.ExecStart': 'true',
      'io.tsrun.privileged': 'true',
    };
    const args = ['sh', '-c', 'grep -E "Cap|Groups|Seccomp:" /proc/self/status'];
    expect(output({ args, config: { annotations } })).toBe(output({ args }));
  });
});

/** Removes what is there first, again and again: the start of a container may have made a directory there meanwhile. */
function putInPlace(path: string, put: () => void): void {
  for (;;) {
    rmSync(path, { recursive: true, force: true });
    try {
      put();
      return;
    } catch (error) {
      if (!['EEXIST', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}

function mknodAt(path: string, major: number, minor: number): void {
  execFileSync('mknod', [path, 'c', `${major}`, `${minor}`]);
}
