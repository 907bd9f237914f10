/** Namespaces as they are inside a container: made, joined, mapped. What a container sees of /proc, not what we planned. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hostPath } from '../../src/lib/brands.ts';
import { outsideEnd } from '../../src/network/endpoint.ts';
import type { NamespaceType } from '../../src/spec/runtime.ts';
import {
  type Change,
  initPid,
  namespaces,
  type Running,
  STANDARD_MOUNTS,
  STANDARD_NAMESPACES,
  useBundles,
} from '../support/bundle.ts';
import { ip } from '../support/network-host.ts';

const bundles = useBundles();

const FILES: Readonly<Record<NamespaceType, string>> = {
  pid: 'pid',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  network: 'net',
  user: 'user',
  time: 'time',
};
const ALL = Object.keys(FILES) as NamespaceType[];
/** Namespaces that this kernel was built with; user-mode-linux of Debian lacks that of time. */
const HERE = ALL.filter((type) => existsSync(`/proc/self/ns/${FILES[type]}`));
const need = (type: NamespaceType, skip: (reason: string) => void) => {
  if (!HERE.includes(type)) skip(`this kernel has no ${type} namespace`);
};
const ids = [{ containerID: 0, hostID: 100000, size: 65536 }];
const MAPPED: Change['linux'] = {
  namespaces: namespaces(...HERE),
  uidMappings: ids,
  gidMappings: ids,
};
const ownerOf = (path: string) => [lstatSync(path).uid, lstatSync(path).gid];
const inode = (pid: number | 'self', type: NamespaceType) => readlinkSync(`/proc/${pid}/ns/${FILES[type]}`);
const show = (type: NamespaceType) => `readlink /proc/self/ns/${FILES[type]}`;

/** A root file system that belongs to root of the user namespace. */
function mappedRoot(): NonNullable<Change['root']> {
  const path = bundles.rootfs();
  for (const name of ['.', 'dev', 'proc', 'sys', 'etc', 'tmp', 'root', 'mnt'])
    chownSync(join(path, name), 100000, 100000);
  return { kind: 'directory', path };
}

/** A container that waits, and is ended after `use`. */
async function whileRunning<T>(change: Change, use: (target: Running) => Promise<T>): Promise<T> {
  const target = bundles.start(change, 'sh', '-c', 'echo ready; exec sleep 1000');
  await target.waitFor(/ready/);
  try {
    return await use(target);
  } finally {
    process.kill(initPid(target), 'SIGKILL');
    expect((await target.ended).exitCode).toBe(137);
  }
}

describe('a namespace that is made', () => {
  test.for(ALL)('%s is not the one of the host', async (type, { skip }) => {
    need(type, skip);
    const change = type === 'user' ? { root: mappedRoot() } : {};
    const linux =
      type === 'user' ? MAPPED : { namespaces: namespaces(...new Set([...STANDARD_NAMESPACES, type])) };
    const inside = await bundles.sh({ ...change, linux }, show(type));
    expect(inside.trim()).toMatch(/^\w+:\[\d+\]$/);
    expect(inside.trim()).not.toBe(inode('self', type));
  });

  test.for(ALL.filter((type) => type !== 'mount' && type !== 'user'))(
    '%s that is not asked for is the one of the host',
    async (type, { skip }) => {
      need(type, skip);
      const types = STANDARD_NAMESPACES.filter((t) => t !== type);
      const inside = await bundles.sh(
        { linux: { namespaces: namespaces(...types) }, ...(type === 'uts' ? { hostname: undefined } : {}) },
        show(type),
      );
      expect(inside.trim()).toBe(inode('self', type));
    },
  );
});

test('the container is process 1 and sees no other', async () => {
  expect(await bundles.sh({}, 'echo $$; ls -d /proc/[0-9]*')).toBe('1\n/proc/1\n');
});

test('the network has one interface, which is up', async () => {
  const text = await bundles.sh({}, 'ls /sys/class/net; ip -o addr');
  expect(text).toMatch(/^lo\n/);
  expect(text).toContain('127.0.0.1/8');
});

test('names are set inside and not on the host', async () => {
  const [before, domain] = [
    readFileSync('/proc/sys/kernel/hostname'),
    readFileSync('/proc/sys/kernel/domainname'),
  ];
  const text = await bundles.sh(
    { hostname: 'inside', domainname: 'example.org' },
    'hostname; cat /proc/sys/kernel/domainname',
  );
  expect(text).toBe('inside\nexample.org\n');
  expect(readFileSync('/proc/sys/kernel/hostname')).toEqual(before);
  expect(readFileSync('/proc/sys/kernel/domainname')).toEqual(domain);
});

test('the cgroup of the container is the root of all it sees', async () => {
  const text = await bundles.sh({}, 'cat /proc/self/cgroup');
  expect(text).toMatch(/^0::\/$/m);
  expect(
    text
      .trim()
      .split('\n')
      .filter((line) => !line.endsWith(':/')),
  ).toEqual([]);
});

test('the container lies in a cgroup of its own, which goes with it', async () => {
  await whileRunning({}, async (target) => {
    expect(readFileSync(`/proc/${initPid(target)}/cgroup`, 'utf8')).toMatch(
      new RegExp(`^0::/.*${target.cgroupName}$`, 'm'),
    );
  });
});

test('clocks are shifted by the offsets', async ({ skip }) => {
  need('time', skip);
  const uptime = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  const before = uptime();
  const inside = await bundles.sh(
    {
      linux: {
        namespaces: namespaces(...STANDARD_NAMESPACES, 'time'),
        timeOffsets: { boottime: { secs: 8_640_000 }, monotonic: { secs: 100, nanosecs: 5 } },
      },
    },
    'cat /proc/uptime; cat /proc/self/timens_offsets',
  );
  const seconds = Number(inside.split(' ')[0]) - 8_640_000;
  expect(seconds).toBeGreaterThanOrEqual(before - 1);
  expect(seconds).toBeLessThanOrEqual(uptime() + 1);
  expect(inside).toMatch(/^monotonic +100 +5$/m);
});

test('a mount inside appears neither on the host nor in its shared mounts', async () => {
  await whileRunning(
    { mounts: [...STANDARD_MOUNTS, { destination: '/mnt', type: 'tmpfs', source: 'only-inside' }] },
    async (target) => {
      expect(readFileSync(`/proc/${initPid(target)}/mounts`, 'utf8')).toContain('only-inside /mnt');
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('only-inside');
    },
  );
});

test('no mount of the host is left inside', async () => {
  const { stdout } = await bundles.run({}, 'cat', '/proc/self/mounts');
  const places = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[1]);
  expect(places).toEqual(['/', '/proc', '/dev', '/dev/pts', '/sys']);
});

describe('a namespace that is joined by its path', () => {
  test.for(['pid', 'network', 'ipc', 'uts', 'cgroup', 'time'] as const)(
    '%s is the one of the other container',
    async (type, { skip }) => {
      need(type, skip);
      const types = [...new Set([...STANDARD_NAMESPACES, type])];
      await whileRunning({ linux: { namespaces: namespaces(...types) } }, async (target) => {
        const pid = initPid(target);
        const joined = types.map((t) =>
          t === type ? { type: t, path: `/proc/${pid}/ns/${FILES[t]}` } : { type: t },
        );
        const inside = await bundles.sh({ hostname: undefined, linux: { namespaces: joined } }, show(type));
        expect(inside.trim()).toBe(inode(pid, type));
        expect(inside.trim()).not.toBe(inode('self', type));
      });
    },
  );

  test('all of them at once', async () => {
    const types = ['pid', 'network', 'ipc', 'uts', 'cgroup'] as const;
    await whileRunning({}, async (target) => {
      const pid = initPid(target);
      const joined = types.map((type) => ({ type, path: `/proc/${pid}/ns/${FILES[type]}` }));
      const text = await bundles.sh(
        { hostname: undefined, linux: { namespaces: [{ type: 'mount' }, ...joined] } },
        [...types.map(show), 'hostname', 'ps -o args'].join('; '),
      );
      expect(text.split('\n').slice(0, types.length)).toEqual(types.map((type) => inode(pid, type)));
      expect(text).toContain('\ninside\n');
      expect(text).toContain('sleep 1000');
    });
  });

  test('a mount namespace, whose mounts go with it', async () => {
    const holder = spawn(
      'unshare',
      ['-m', '--propagation', 'private', 'sh', '-c', 'echo ready; exec sleep 1000'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(holder.stdout, 'data');
    const linux = {
      namespaces: [
        ...namespaces('pid', 'ipc', 'uts', 'network'),
        { type: 'mount' as const, path: `/proc/${holder.pid}/ns/mnt` },
      ],
    };
    const inside = await bundles.sh({ linux }, show('mount'));
    expect(inside.trim()).toBe(inode(holder.pid ?? 0, 'mount'));
    holder.kill('SIGKILL');
    await once(holder, 'exit');
  });

  test('a user namespace, with new namespaces that belong to it', async () => {
    const root = mappedRoot();
    await whileRunning({ root, linux: MAPPED }, async (target) => {
      const user = { type: 'user' as const, path: `/proc/${initPid(target)}/ns/user` };
      const change: Change = { root, linux: { namespaces: [user, ...namespaces(...STANDARD_NAMESPACES)] } };
      const text = await bundles.sh(change, `${show('user')}; id -u; echo $$; touch /tmp/joined; hostname`);
      expect(text).toBe(`${inode(initPid(target), 'user')}\n0\n1\ninside\n`);
    });
    expect(ownerOf(join(root.kind === 'directory' ? root.path : '', 'tmp/joined'))).toEqual([100000, 100000]);
  });

  test('is an error when it is not there', async () => {
    const linux = {
      namespaces: [...namespaces('mount', 'uts'), { type: 'network' as const, path: '/proc/1/ns/nope' }],
    };
    const ran = await bundles.run({ linux }, 'true');
    expect(ran).toMatchObject({ exitCode: 125, failure: { op: 'open', errno: 2 } });
  });

  test('is an error when it is of another kind', async () => {
    const linux = {
      namespaces: [...namespaces('mount', 'uts'), { type: 'network' as const, path: '/proc/self/ns/ipc' }],
    };
    expect(await bundles.run({ linux }, 'true')).toMatchObject({
      exitCode: 125,
      failure: { op: 'setns', errno: 22 },
    });
  });
});

describe('a namespace of a process that is known by its start time', () => {
  const started = (pid: number) =>
    Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19]);
  const joinNetwork = (pid: number, when: number): Change => ({
    linux: {
      namespaces: [
        ...namespaces('mount', 'pid', 'ipc', 'uts'),
        { type: 'network', path: `/proc/${pid}/ns/net` },
      ],
    },
    joined: { network: { pid, started: when } },
  });

  test('is joined', async () => {
    await whileRunning({}, async (target) => {
      const pid = initPid(target);
      expect((await bundles.sh(joinNetwork(pid, started(pid)), show('network'))).trim()).toBe(
        inode(pid, 'network'),
      );
    });
  });

  test('is not joined when another process has the number now', async () => {
    await whileRunning({}, async (target) => {
      const pid = initPid(target);
      const { failure } = await bundles.run(joinNetwork(pid, started(pid) - 1), 'true');
      expect(failure).toMatchObject({
        op: 'open_process',
        message: 'Cannot start the container: the container whose namespace it shares has ended',
      });
    });
  });
});

describe('in a user namespace', () => {
  test('interfaces belong to it: they are there at the start, and root inside may change them', async () => {
    const addresses = [{ address: '10.9.0.2', prefix: 24, gateway: '10.9.0.1' }];
    const network = {
      id: 'ab'.repeat(32),
      name: 'mapped',
      bridge: 'tsr-mapped',
      internal: false,
      isDefault: false,
    };
    const endpoint = {
      network,
      inside: 'eth0',
      outside: outsideEnd('cd'.repeat(32), 0),
      asked: { aliases: [] },
      names: ['box'],
      mac: '02:42:0a:09:00:02',
      addresses,
    };
    const host = { nftables: true, rules: 'missing' } as const;
    const rules = { host, others: [], container: 'mapped', networks: [], ports: [], cables: [] };
    const capabilities = ['CAP_NET_ADMIN', 'CAP_NET_RAW'];
    const rights = { bounding: capabilities, effective: capabilities, permitted: capabilities };
    const out = await bundles.sh(
      {
        root: mappedRoot(),
        linux: MAPPED,
        process: { capabilities: rights },
        network: {
          endpoints: [endpoint],
          records: [],
          leases: [{ files: [], source: hostPath('/run/tsrun/none') }],
          rules,
        },
      },
      'cat /proc/self/uid_map; ping -c 1 -W 1 10.9.0.1 | grep received; ip addr add 10.9.0.3/24 dev eth0 && ip -o -4 addr',
    );
    ip('link', 'del', 'tsr-mapped');
    expect(out).toContain(' 100000 ');
    expect(out).toContain('1 packets received');
    expect(out).toContain('inet 10.9.0.2/24');
    expect(out).toContain('inet 10.9.0.3/24');
  });

  test('root is an ordinary user of the host, and what it makes belongs to that user', async () => {
    const root = mappedRoot();
    await whileRunning({ root, linux: MAPPED }, async (target) => {
      const pid = initPid(target);
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t100000\t100000\t100000\t100000$/m);
      expect(readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim()).toMatch(/^0\s+100000\s+65536$/);
      expect(readFileSync(`/proc/${pid}/gid_map`, 'utf8').trim()).toMatch(/^0\s+100000\s+65536$/);
    });
    await bundles.sh(
      { root, linux: MAPPED, process: { user: { uid: 7, gid: 8 } } },
      'id -u; touch /tmp/mine 2>/dev/null; true',
    );
    await bundles.sh({ root, linux: MAPPED }, 'touch /tmp/of-root');
    expect(ownerOf(join(root.kind === 'directory' ? root.path : '', 'tmp/of-root'))).toEqual([
      100000, 100000,
    ]);
  });

  test('the devices are those of the host, bound one by one', async () => {
    const text = await bundles.sh(
      { root: mappedRoot(), linux: MAPPED },
      'for d in null zero full random urandom tty; do stat -c "%n %F %t:%T" /dev/$d; done; echo gone > /dev/null; head -c 3 /dev/zero | wc -c',
    );
    expect(text).toBe(
      '/dev/null character special file 1:3\n/dev/zero character special file 1:5\n/dev/full character special file 1:7\n/dev/random character special file 1:8\n/dev/urandom character special file 1:9\n/dev/tty character special file 5:0\n3\n',
    );
  });
});

test('what a container leaves is nothing, also of its cgroup', async () => {
  const ran = bundles.start({}, 'sh', '-c', 'sleep 1000 & sleep 1000 & exit 7');
  expect((await ran.ended).exitCode).toBe(7);
  for (const mount of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'])
    expect(existsSync(join(mount, ran.cgroupName))).toBe(false);
});
