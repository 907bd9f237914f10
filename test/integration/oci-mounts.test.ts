/** What the options of a mount come to, seen from inside. OCI Runtime Specification, config.md, Linux mount options. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import type { MountSpec, NamespaceType } from '../../src/spec/runtime.ts';
import {
  type Change,
  namespaces,
  STANDARD_MOUNTS,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';

const bundles = useBundles();
const IDS = { containerID: 0, hostID: 100000, size: 65536 };

const withMounts = (...mounts: readonly MountSpec[]): Change => ({ mounts: [...STANDARD_MOUNTS, ...mounts] });
/** A directory of the host, with a file `data` in it. */
function hostDirectory(): string {
  const directory = mkdtempSync(join(bundles.scratch, 'source-'));
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'data'), 'from the host\n');
  return directory;
}
/** Fields of /proc/self/mountinfo: options of the mount, what it shares, its type, options of the file system. */
async function mountinfo(change: Change, destination: string): Promise<readonly string[]> {
  const text = await bundles.sh(change, 'cat /proc/self/mountinfo');
  const lines = text.split('\n').filter((line) => line.split(' ')[4] === destination);
  const [, own = '', shared = '', type = '', whole = ''] =
    /^\S+ \S+ \S+ \S+ \S+ (\S+) (.*)- (\S+) \S+ (\S+)$/.exec(lines.at(-1) ?? '') ?? [];
  return [own, shared.trim(), type, whole];
}

/** A bind source with a tmpfs of the host below it. */
const tree = hostDirectory();
mkdirSync(join(tree, 'below'));
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(tree, 'below')]);
afterAll(() => execFileSync('umount', [join(tree, 'below')]));

describe('an option of a bind mount', () => {
  const source = hostDirectory();
  test.for([
    [['bind', 'ro'], 'ro,relatime'],
    [['bind', 'ro', 'rw'], 'rw,relatime'],
    [['rbind', 'nosuid', 'nodev', 'noexec'], 'rw,nosuid,nodev,noexec,relatime'],
    [['rbind', 'nosuid', 'suid'], 'rw,relatime'],
    [['bind', 'noatime', 'nodiratime'], 'rw,noatime,nodiratime'],
    [['bind', 'strictatime'], 'rw'],
    [['bind', 'noatime', 'relatime'], 'rw,relatime'],
    [['bind', 'nosymfollow', 'silent', 'loud', 'iversion', 'defaults', 'sync'], 'rw,relatime,nosymfollow'],
  ] as const)('%s → %s', async ([options, expected]) => {
    const [own] = await mountinfo(withMounts({ destination: '/mnt', source, options }), '/mnt');
    expect(own).toBe(expected);
  });

  test.for([
    [['rbind', 'ro'], 'ro,relatime', 'rw,relatime'],
    [['rbind', 'rro'], 'ro,relatime', 'ro,relatime'],
    [
      ['rbind', 'rnosuid', 'rnodev', 'rnoexec', 'rnoatime'],
      'rw,nosuid,nodev,noexec,noatime',
      'rw,nosuid,nodev,noexec,noatime',
    ],
    [['rbind', 'rro', 'rrw'], 'rw,relatime', 'rw,relatime'],
    [['rbind', 'rnosymfollow', 'rstrictatime'], 'rw,nosymfollow', 'rw,nosymfollow'],
  ] as const)('%s → %s, and below it %s', async ([options, top, below]) => {
    const change = withMounts({ destination: '/mnt', source: tree, options });
    expect((await mountinfo(change, '/mnt'))[0]).toBe(top);
    expect((await mountinfo(change, '/mnt/below'))[0]).toBe(below);
  });

  test('that only a file system has means nothing', async () => {
    const options = ['bind', 'size=1m', 'ro'];
    const [own] = await mountinfo(withMounts({ destination: '/mnt', source, options }), '/mnt');
    expect(own).toBe('ro,relatime');
  });

  test.for([
    [['rbind', 'rslave', 'shared'], /^shared:\d+$/],
    [['rbind', 'shared'], /^shared:\d+$/],
    [['rbind', 'unbindable'], /^unbindable$/],
    [['rbind', 'rprivate'], /^$/],
  ] as const)('%s', async ([options, expected]) => {
    const [, shared] = await mountinfo(withMounts({ destination: '/mnt', source, options }), '/mnt');
    expect(shared).toMatch(expected);
  });
});

describe('an option of a file system', () => {
  test.for([
    [['sync', 'dirsync'], 'rw,relatime', 'rw,sync,dirsync'],
    [['sync', 'async', 'nosuid'], 'rw,nosuid,relatime', 'rw'],
    [['ro', 'size=1m', 'mode=700', 'uid=7', 'gid=8'], 'ro,relatime', 'rw,size=1024k,mode=700,uid=7,gid=8'],
    [['lazytime', 'noatime', 'silent'], 'rw,noatime', 'rw,lazytime'],
  ] as const)('of a tmpfs: %s → %s and %s', async ([options, own, whole]) => {
    const change = withMounts({ destination: '/mnt', type: 'tmpfs', options });
    const found = await mountinfo(change, '/mnt');
    expect([found[0], found[3]?.replace(',inode64', '')]).toEqual([own, whole]);
  });

  test('hides processes of others, or all of procfs but the processes', async () => {
    const [proc, ...others] = STANDARD_MOUNTS;
    const change = {
      mounts: [{ ...proc, destination: '/proc', options: ['hidepid=2', 'subset=pid'] }, ...others],
    };
    expect(await bundles.sh(change, 'ls /proc/1 >/dev/null && ls /proc | grep -c meminfo || true')).toBe(
      '0\n',
    );
    expect((await mountinfo(change, '/proc'))[3]).toContain('hidepid=invisible,subset=pid');
  });

  test('that it does not know is refused with the words of the kernel', async () => {
    const ran = await bundles.run(
      withMounts({ destination: '/mnt', type: 'tmpfs', options: ['sise=1m'] }),
      'true',
    );
    expect(ran.failure?.message).toContain("Unknown parameter 'sise'");
  });

  test('may be as long as the names of many layers', async () => {
    const lower = hostDirectory();
    const lowerdir = Array.from({ length: 12 }, (_, i) => {
      mkdirSync(join(lower, `${i}`));
      writeFileSync(join(lower, `${i}`, `file${i}`), '');
      return join(lower, `${i}`);
    }).join(':');
    expect(lowerdir.length).toBeGreaterThan(255);
    const mount = {
      destination: '/mnt',
      type: 'overlay',
      source: 'overlay',
      options: [`lowerdir=${lowerdir}`, 'nodev'],
    };
    expect(await bundles.sh(withMounts(mount), 'ls /mnt | grep -c file')).toBe('12\n');
    expect((await mountinfo(withMounts(mount), '/mnt'))[0]).toContain('nodev');
  });

  test('message queues are mounted', async () => {
    const change = withMounts({
      destination: '/dev/mqueue',
      type: 'mqueue',
      source: 'mqueue',
      options: ['nosuid'],
    });
    expect((await mountinfo(change, '/dev/mqueue'))[2]).toBe('mqueue');
  });
});

describe('a tmpfs', () => {
  test('has the permissions of the directory it covers; a new one is for everybody', async () => {
    const change = withMounts(
      { destination: '/root', type: 'tmpfs' },
      { destination: '/new', type: 'tmpfs' },
    );
    const root = bundles.rootfs();
    chmodSync(join(root, 'root'), 0o2750);
    const text = await bundles.sh(
      { ...change, root: { kind: 'directory', path: root } },
      'stat -c %a /root /new',
    );
    expect(text).toBe('2750\n1777\n');
  });

  test('with tmpcopyup begins with what it covers, links and owners and all', async () => {
    const root = bundles.rootfs();
    const etc = join(root, 'etc');
    mkdirSync(join(etc, 'deep/er'), { recursive: true });
    writeFileSync(join(etc, 'deep/er/file'), 'kept\n');
    chmodSync(join(etc, 'deep/er/file'), 0o4751);
    chownSync(join(etc, 'deep/er/file'), 12, 34);
    chmodSync(join(etc, 'deep/er/file'), 0o4751);
    symlinkSync('/proc/self/exe', join(etc, 'link'));
    execFileSync('mkfifo', [join(etc, 'fifo')]);
    const mount = { destination: '/etc', type: 'tmpfs', options: ['tmpcopyup', 'ro'] };
    const script =
      'cd /etc; cat deep/er/file; stat -c "%a %u %g" deep/er/file; readlink link; stat -c %F fifo; ' +
      'touch x 2>&1; grep " /etc " /proc/self/mounts | cut -d" " -f1,3';
    const change = { ...withMounts(mount), root: { kind: 'directory' as const, path: root } };
    expect(await bundles.sh(change, script)).toBe(
      'kept\n4751 12 34\n/proc/self/exe\nfifo\ntouch: x: Read-only file system\ntmpfs tmpfs\n',
    );
  });

  test('does not copy what else is mounted below the place it covers', async () => {
    const change = withMounts(
      { destination: '/mnt', source: tree, options: ['rbind'] },
      { destination: '/mnt', type: 'tmpfs', options: ['tmpcopyup'] },
    );
    execFileSync('touch', [join(tree, 'below/inner')]);
    expect(await bundles.sh(change, 'ls /mnt /mnt/below')).toBe('/mnt:\nbelow\ndata\n\n/mnt/below:\n');
  });
});

test('what is mounted already is changed by remount', async () => {
  const change = withMounts(
    { destination: '/mnt', type: 'tmpfs', options: ['size=1m'] },
    { destination: '/mnt', options: ['remount', 'size=2m', 'nosuid', 'ro'] },
  );
  const [own, , , whole] = await mountinfo(change, '/mnt');
  expect(own).toBe('ro,nosuid,relatime');
  expect(whole).toContain('size=2048k');
});

describe('over /proc', () => {
  test('another procfs may be bound', async () => {
    const mounts = [{ destination: '/proc', type: 'bind', source: '/proc', options: ['rbind'] }];
    const change: Change = { mounts: [...mounts, ...STANDARD_MOUNTS.slice(1)] };
    expect(await bundles.sh(change, 'cat /proc/1/comm')).not.toBe('sh\n');
  });

  test('nothing else may', async () => {
    const mounts = [{ destination: '/proc', source: hostDirectory(), options: ['bind'] }];
    const ran = await bundles.run({ mounts }, 'true');
    expect(ran.failure).toMatchObject({ op: 'check_fs' });
  });
});

describe('owners', () => {
  const source = hostDirectory();
  chownSync(join(source, 'data'), 1000, 2000);
  const userNamespace: NonNullable<Change['linux']> = {
    namespaces: namespaces(...STANDARD_NAMESPACES, 'user'),
    uidMappings: [IDS],
    gidMappings: [IDS],
  };
  const root = () => {
    const path = bundles.rootfs();
    execFileSync('chown', ['-R', '100000:100000', path]);
    return { kind: 'directory' as const, path };
  };
  const idmap = (mount: Partial<MountSpec>) =>
    withMounts({ destination: '/mnt', source, options: ['bind', 'idmap'], ...mount });
  const show = 'stat -c "%u %g" /mnt/data';

  test('are mapped as the mount says', async () => {
    const own = {
      uidMappings: [{ containerID: 1000, hostID: 5, size: 1 }],
      gidMappings: [{ containerID: 2000, hostID: 6, size: 1 }],
    };
    expect(await bundles.sh(idmap(own), show)).toBe('5 6\n');
  });

  test('are mapped as the user namespace is: inside they are who they are on the disk', async () => {
    const change = { ...idmap({}), linux: userNamespace, root: root() };
    expect(await bundles.sh(change, show)).toBe('1000 2000\n');
  });

  test('of a mount below are mapped by ridmap alone', async () => {
    // Not the tmpfs: the kernel maps owners of that one since 6.3 only.
    const above = hostDirectory();
    const below = join(above, 'below');
    mkdirSync(below);
    execFileSync('mount', ['--bind', source, below]);
    onTestFinished(() => void execFileSync('umount', [below]));
    const owner = (option: string) =>
      bundles.sh(
        { ...idmap({ source: above, options: ['rbind', option] }), linux: userNamespace, root: root() },
        'stat -c "%u %g" /mnt/below/data',
      );
    expect(await owner('ridmap')).toBe('1000 2000\n');
    expect(await owner('idmap')).toBe('65534 65534\n');
  });

  test('a source that root of the user namespace cannot reach is mounted, read-only as asked', async () => {
    const closed = hostDirectory();
    const inside = join(closed, 'inside');
    mkdirSync(inside);
    chmodSync(closed, 0o700);
    const mount = { destination: '/mnt', source: inside, options: ['rbind', 'ro', 'nosuid'] };
    const change = { ...withMounts(mount), linux: userNamespace, root: root() };
    expect((await mountinfo(change, '/mnt')).slice(0, 2)).toEqual(['ro,nosuid,relatime', '']);
  });
});

describe.skipIf(!existsSync('/sys/fs/cgroup/memory'))(
  'a mount of type cgroup on a host with cgroup v1',
  () => {
    const cgroup = { destination: '/sys/fs/cgroup', type: 'cgroup', options: ['ro', 'nosuid'] };
    const change = (...types: readonly NamespaceType[]): Change => ({
      ...withMounts(cgroup),
      everyCgroup: true,
      linux: {
        namespaces: namespaces('pid', 'mount', 'ipc', 'uts', ...types),
        resources: { pids: { limit: 123 } },
      },
    });

    test.for([[['cgroup']], [[]]] as const)(
      'shows the own cgroup in every hierarchy, read-only; namespaces %j',
      async ([types]) => {
        const script =
          'cd /sys/fs/cgroup; cat pids/pids.max; busybox head -n1 unified/cgroup.procs; ' +
          'grep -c " /sys/fs/cgroup[^ ]* [a-z0-9]* ro,nosuid" /proc/self/mounts; ' +
          'mkdir x memory/x 2>&1; ls';
        const text = await bundles.sh(change(...types), script);
        const [max, first, readOnly, root, below, ...names] = text.trim().split('\n');
        expect([max, first]).toEqual(['123', '1']);
        expect([root, below]).toEqual([
          "mkdir: can't create directory 'x': Read-only file system",
          "mkdir: can't create directory 'memory/x': Read-only file system",
        ]);
        expect(Number(readOnly)).toBe(names.length + 1);
        expect(names).toEqual(expect.arrayContaining(['cpuset', 'freezer', 'memory', 'unified']));
      },
    );
  },
);

test('a /dev that is read-only has its devices and the mounts below it', async () => {
  const dev: MountSpec = {
    destination: '/dev',
    type: 'tmpfs',
    options: ['nosuid', 'ro', 'mode=755', 'size=64k'],
  };
  const mounts = STANDARD_MOUNTS.map((mount) => (mount.destination === '/dev' ? dev : mount));
  const said = await bundles.sh(
    { mounts },
    'echo x >/dev/null && ls /dev/pts/ptmx && touch /dev/x 2>&1 || true',
  );
  expect(said).toBe('/dev/pts/ptmx\ntouch: /dev/x: Read-only file system\n');
});

test.for([
  ['private', /^$/],
  ['shared', /^shared:\d+$/],
  ['rshared', /^shared:\d+$/],
  ['unbindable', /^unbindable$/],
  [undefined, /^$/],
] as const)('the propagation of the root: %s', async ([rootfsPropagation, expected]) => {
  const linux = {
    namespaces: namespaces(...STANDARD_NAMESPACES),
    ...(rootfsPropagation && { rootfsPropagation }),
  };
  expect((await mountinfo({ linux }, '/'))[1]).toMatch(expected);
});

test('mounts of the host are passed on into a root that is a slave, and into no other', async () => {
  const root = bundles.rootfs();
  execFileSync('mount', ['--bind', root, root]);
  execFileSync('mount', ['--make-shared', root]);
  try {
    for (const [rootfsPropagation, expected] of [
      ['slave', /^master:\d+$/],
      ['private', /^$/],
    ] as const) {
      const linux = { namespaces: namespaces(...STANDARD_NAMESPACES), rootfsPropagation };
      const change = { linux, root: { kind: 'directory' as const, path: root } };
      expect((await mountinfo(change, '/'))[1]).toMatch(expected);
    }
  } finally {
    execFileSync('umount', [root]);
  }
});
