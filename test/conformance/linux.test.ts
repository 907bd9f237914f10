/** The sections of config-linux.md that have a sentence or two. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { error, until } from './support/container.ts';
import { namespaceKind, noResctrl, numa, shared } from './support/host.ts';
import { parseMounts } from './support/mount-table.ts';
import { section } from './support/section.ts';

const filesystems = section('config-linux.md, Default Filesystems');
const sysctl = section('config-linux.md, Sysctl');
const propagation = section('config-linux.md, Rootfs Mount Propagation');
const masked = section('config-linux.md, Masked Paths');
const readonly_ = section('config-linux.md, Readonly Paths');
const personality = section('config-linux.md, Personality');
const timeOffsets = section('config-linux.md, Offset for Time Namespace');
const intelRdt = section('config-linux.md, IntelRdt');
const memoryPolicy = section('config-linux.md, Memory policy');

filesystems(
  "The following filesystems SHOULD be made available in each container's filesystem:",
  async (box) => {
    const mounts = parseMounts(await box.sh('cat /proc/self/mountinfo'));
    for (const [destination, type] of [
      ['/proc', 'proc'],
      ['/sys', 'sysfs'],
      ['/dev/pts', 'devpts'],
      ['/dev/shm', 'tmpfs'],
    ])
      expect(mounts).toContainEqual(expect.objectContaining({ destination, type }));
  },
);

sysctl(
  '`sysctl` (object, OPTIONAL) allows kernel parameters to be modified at runtime for the container.',
  async (box) => {
    const output = await box.sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax', ({ linux }) => {
      linux.sysctl = { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '4321' };
    });
    expect(output).toBe('1\n4321\n');
  },
);

sysctl(
  '`sysctl` (object, OPTIONAL) allows kernel parameters to be modified at runtime for the container.',
  'not those of the host: the container has its IPC namespace',
  async (box) => {
    const path = '/proc/sys/kernel/msgmax';
    const before = readFileSync(path, 'utf8');
    const container = box.container(({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'ipc');
      linux.sysctl = { 'kernel.msgmax': '4321' };
    });
    await error(container.create());
    expect(readFileSync(path, 'utf8')).toBe(before);
  },
);

for (const [value, expected] of [
  ['shared', /(^| )shared:\d+/],
  ['slave', /^master:\d+/],
  ['private', /^$/],
  ['unbindable', /^unbindable$/],
] as const)
  propagation('Its value is either `shared`, `slave`, `private` or `unbindable`.', value, async (box) => {
    box.needs(shared(box.directory));
    const [root] = await box.mountsAt('/', ({ linux }) => {
      linux.rootfsPropagation = value;
    });
    expect(root?.propagation.join(' ')).toMatch(expected);
  });

propagation(
  '`slave`: the rootfs mount receives propagation events from the host (e.g. if something is mounted on the host it will also appear in the container) but not the other way around.',
  async (box) => {
    box.needs(shared(box.directory));
    const container = await box.started(({ linux }) => {
      linux.rootfsPropagation = 'slave';
    });
    execFileSync('mount', ['-t', 'tmpfs', 'later', join(container.rootfs, 'mnt')]);
    await until('the mount appears in the container', () =>
      parseMounts(readFileSync(`/proc/${container.pid()}/mountinfo`, 'utf8')).some(
        ({ destination }) => destination === '/mnt',
      ),
    );
  },
);

propagation(
  'Its value is either `shared`, `slave`, `private` or `unbindable`.',
  'another value',
  async (box) => {
    const container = box.container(({ linux }) => {
      linux.rootfsPropagation = 'made-up';
    });
    await error(container.create());
  },
);

masked(
  '`maskedPaths` (array of strings, OPTIONAL) will mask over the provided paths inside the container so that they cannot be read.',
  async (box) => {
    const container = box.container(({ process, linux }) => {
      linux.maskedPaths = ['/etc/secret', '/root/secrets', '/not/there'];
      process.args = ['sh', '-c', 'cat /etc/secret; ls -A /root/secrets; echo end'];
    });
    writeFileSync(join(container.rootfs, 'etc/secret'), 'content');
    mkdirSync(join(container.rootfs, 'root/secrets'));
    writeFileSync(join(container.rootfs, 'root/secrets/one'), 'content');
    await container.create();
    await container.start();
    expect(await container.exit()).toBe('end\n');
  },
);

readonly_(
  '`readonlyPaths` (array of strings, OPTIONAL) will set the provided paths as readonly inside the container.',
  async (box) => {
    const script =
      'touch /root/kept/a; echo x >/etc/kept; touch /root/free; ls /root/kept /root/free; cat /etc/kept';
    const container = box.container(({ process, linux }) => {
      linux.readonlyPaths = ['/etc/kept', '/root/kept', '/not/there'];
      process.args = ['sh', '-c', `${script} 2>&1`];
    });
    writeFileSync(join(container.rootfs, 'etc/kept'), 'content\n');
    mkdirSync(join(container.rootfs, 'root/kept'));
    await container.create();
    await container.start();
    const output = await container.exit();
    expect(
      output.match(/Read-only file system/g)?.length ??
        container.errors().match(/Read-only file system/g)?.length,
    ).toBe(2);
    expect(output).toContain('/root/free');
    expect(output).toContain('content');
  },
);

for (const [clause, property] of [
  [masked, 'maskedPaths'],
  [readonly_, 'readonlyPaths'],
] as const)
  clause('The values MUST be absolute paths in the container namespace.', async (box) => {
    const container = box.container(({ linux }) => {
      linux[property] = ['etc'];
    });
    await error(container.create());
  });

personality('`domain` (string, REQUIRED) - the execution domain.', 'LINUX32', async (box) => {
  const [machine] = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim().split('\n');
  box.needs({
    holds: machine === 'x86_64',
    otherwise: `on ${machine} the name of the 32 bit machine is another`,
  });
  const output = await box.sh('uname -m', ({ linux }) => {
    linux.personality = { domain: 'LINUX32' };
  });
  expect(output).toBe('i686\n');
});

personality('`domain` (string, REQUIRED) - the execution domain.', 'LINUX', async (box) => {
  const output = await box.sh('uname -m', ({ linux }) => {
    linux.personality = { domain: 'LINUX' };
  });
  expect(output).toBe(execFileSync('uname', ['-m'], { encoding: 'utf8' }));
});

personality('`domain` (string, REQUIRED) - the execution domain.', 'one that does not exist', async (box) => {
  const container = box.container(({ linux }) => {
    linux.personality = { domain: 'HURD' };
  });
  await error(container.create());
});

timeOffsets('`timeOffsets` (object, OPTIONAL) sets the offset for Time Namespace.', async (box) => {
  box.needs(namespaceKind('time'));
  const output = await box.sh('cat /proc/self/timens_offsets', ({ linux }) => {
    linux.namespaces.push({ type: 'time' });
    linux.timeOffsets = { monotonic: { secs: 1234, nanosecs: 5678 }, boottime: { secs: 90000 } };
  });
  expect(output).toMatch(/^monotonic +1234 +5678$/m);
  expect(output).toMatch(/^boottime +90000 +0$/m);
});

timeOffsets('The name of the clock is the entry key.', 'one that does not exist', async (box) => {
  const container = box.container(({ linux }) => {
    linux.namespaces.push({ type: 'time' });
    linux.timeOffsets = { sundial: { secs: 1 } };
  });
  await error(container.create());
});

intelRdt(
  'If no mounted `resctrl` pseudo-filesystem is available in the runtime mount namespace, the runtime MUST generate an error.',
  async (box) => {
    box.needs(noResctrl);
    const container = box.container(({ linux }) => {
      linux.intelRdt = { closID: 'group', l3CacheSchema: 'L3:0=f' };
    });
    await error(container.create());
    expect(box.leftovers()).toEqual([]);
  },
);

intelRdt('The value MUST start with `MB:` and MUST NOT contain newlines.', async (box) => {
  const container = box.container(({ linux }) => {
    linux.intelRdt = { memBwSchema: 'L3:0=f\nMB:0=10' };
  });
  await error(container.create());
});

memoryPolicy(
  '`memoryPolicy` (object, OPTIONAL) sets the NUMA memory policy for the container.',
  async (box) => {
    box.needs(numa);
    const output = await box.sh('cat /proc/self/numa_maps', ({ linux }) => {
      linux.memoryPolicy = { mode: 'MPOL_BIND', nodes: '0' };
    });
    expect(output).toMatch(/ bind(=static|=relative)?:0 /);
  },
);

memoryPolicy('`mode` (string, REQUIRED) -', 'one that does not exist', async (box) => {
  const container = box.container(({ linux }) => {
    linux.memoryPolicy = { mode: 'MPOL_MADE_UP', nodes: '0' };
  });
  await error(container.create());
});
