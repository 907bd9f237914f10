import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Device, withUserNamespace } from './support/config.ts';
import { error } from './support/container.ts';
import { compiler, fileExists } from './support/host.ts';
import { section } from './support/section.ts';
import { inTerminal } from './support/terminal.ts';

const clause = section('config-linux.md, Devices');
const defaults = section('config-linux.md, Default Devices');
const links = section('runtime-linux.md, Dev symbolic links');

const AVAILABLE =
  '`devices` (array of objects, OPTIONAL) lists devices that MUST be available in the container.';
const CONFLICT =
  'If a file already exists at `path` that does not match the requested device, the runtime MUST generate an error.';
const DEFAULTS = 'In addition to any devices configured with this setting, the runtime MUST also supply:';
const LINKS =
  'While creating the container (step 2 in the lifecycle), runtimes MUST create the following symlinks if the source file exists after processing `mounts`:';

/** As `stat` tells it: kind, major and minor in hexadecimal, mode, owner. */
const STAT = "stat -c '%F %t:%T %a %u:%g'";

const DEVICES: readonly (readonly [string, Device, string])[] = [
  [
    'a character device',
    { type: 'c', path: '/dev/one', major: 10, minor: 229, fileMode: 0o640, uid: 3, gid: 4 },
    'character special file a:e5 640 3:4',
  ],
  [
    'an unbuffered character device',
    { type: 'u', path: '/dev/one', major: 10, minor: 229, fileMode: 0o600, uid: 0, gid: 0 },
    'character special file a:e5 600 0:0',
  ],
  [
    'a block device',
    { type: 'b', path: '/dev/one', major: 7, minor: 200, fileMode: 0o660, uid: 0, gid: 6 },
    'block special file 7:c8 660 0:6',
  ],
  ['a FIFO', { type: 'p', path: '/dev/one', fileMode: 0o622, uid: 1, gid: 1 }, 'fifo 0:0 622 1:1'],
  [
    'outside of /dev, in a directory that is not there',
    { type: 'c', path: '/opt/deep/one', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
    'character special file 1:3 666 0:0',
  ],
];

for (const [name, device, expected] of DEVICES)
  clause(AVAILABLE, name, async (box) => {
    const output = await box.sh(`${STAT} ${device.path}`, ({ linux }) => {
      linux.devices = [device];
    });
    expect(output).toBe(`${expected}\n`);
  });

clause(AVAILABLE, 'in a user namespace, where mknod is not allowed', async (box) => {
  // Only a device that the host has too can be had there.
  box.needs(fileExists('/dev/kmsg'));
  const output = await box.sh("stat -c '%F %t:%T' /dev/kmsg", (config) => {
    withUserNamespace(100000)(config);
    config.linux.devices = [{ type: 'c', path: '/dev/kmsg', major: 1, minor: 11, fileMode: 0o666 }];
  });
  expect(output).toBe('character special file 1:b\n');
});

clause(CONFLICT, 'a regular file', async (box) => {
  const container = box.container(({ linux }) => {
    linux.devices = [{ type: 'c', path: '/opt/one', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 }];
  });
  mkdirSync(join(container.rootfs, 'opt'));
  writeFileSync(join(container.rootfs, 'opt/one'), 'a file');
  await error(container.create());
});

clause(CONFLICT, 'another device', async (box) => {
  const container = box.container(({ linux }) => {
    const one = { type: 'c', path: '/dev/one', fileMode: 0o666, uid: 0, gid: 0 };
    linux.devices = [
      { ...one, major: 1, minor: 3 },
      { ...one, major: 1, minor: 5 },
    ];
  });
  await error(container.create());
});

clause('`type` (string, REQUIRED) - type of device:', 'one that does not exist', async (box) => {
  const container = box.container(({ linux }) => {
    linux.devices = [{ type: 'x', path: '/dev/one', major: 1, minor: 3 }];
  });
  await error(container.create());
});

const SUPPLIED: readonly (readonly [string, string])[] = [
  ['null', '1:3'],
  ['zero', '1:5'],
  ['full', '1:7'],
  ['random', '1:8'],
  ['urandom', '1:9'],
  ['tty', '5:0'],
];

for (const [name, numbers] of SUPPLIED)
  defaults(DEFAULTS, `/dev/${name}`, async (box) => {
    expect(await box.sh(`stat -c '%F %t:%T' /dev/${name}`)).toBe(`character special file ${numbers}\n`);
  });

for (const [name, numbers] of SUPPLIED)
  defaults(DEFAULTS, `/dev/${name}, in a user namespace`, async (box) => {
    const output = await box.sh(`stat -c '%F %t:%T' /dev/${name}`, withUserNamespace(100000));
    expect(output).toBe(`character special file ${numbers}\n`);
  });

defaults(DEFAULTS, 'they can be used, by others than root too', async (box) => {
  const script =
    'echo x >/dev/null && head -c 3 /dev/zero | od -An -tx1 && head -c 5 /dev/urandom | wc -c; echo x >/dev/full';
  const container = await box.started(({ process }) => {
    process.user = { uid: 1000, gid: 1000 };
    process.args = ['sh', '-c', `(${script}) 2>&1`];
  });
  expect(await container.exit()).toMatch(/00 00 00\n5\n.*No space left/);
});

defaults(
  '`/dev/console` is set up if `terminal` is enabled in the config by bind mounting the pseudoterminal pty to `/dev/console`.',
  async (box) => {
    box.needs(compiler);
    const output = await inTerminal(box, "stat -c '%F %t:%T' /dev/console; echo through it >/dev/console");
    expect(output).toMatch(/^character special file 88:\d+\r?\nthrough it\r?\n$/);
  },
);

defaults("A bind-mount or symlink of the container's `/dev/pts/ptmx`.", async (box) => {
  const output = await box.sh(
    "stat -L -c '%F %t:%T' /dev/ptmx /dev/pts/ptmx; stat -L -c %d:%i /dev/ptmx /dev/pts/ptmx",
  );
  const [one, other, oneInode, otherInode] = output.trim().split('\n');
  expect(one).toBe('character special file 5:2');
  expect(other).toBe(one);
  expect(oneInode).toBe(otherInode);
});

for (const [link, target] of [
  ['/dev/fd', '/proc/self/fd'],
  ['/dev/stdin', '/proc/self/fd/0'],
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
] as const)
  links(LINKS, `${link} to ${target}`, async (box) => {
    expect(await box.sh(`readlink ${link}`)).toBe(`${target}\n`);
  });
