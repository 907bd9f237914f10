/** The table of option strings: every one that runtimes MUST implement, by what the kernel then says of the mount. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Box } from './support/box.ts';
import type { MountLine } from './support/mount-table.ts';
import { section } from './support/section.ts';

const clause = section('config.md, Linux mount options');

/** A tmpfs at /mnt with these options. */
async function tmpfs(box: Box, ...options: string[]): Promise<MountLine> {
  const [mount] = await box.mountsAt('/mnt', ({ mounts }) => {
    mounts.push({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options });
  });
  if (mount === undefined) throw new Error('There is no mount at /mnt');
  return mount;
}

type Part = 'flags' | 'data';

/** [option, the options given, where it shows, what must be there, what must not] */
const SHOWN: readonly (readonly [string, readonly string[], Part, string | undefined, string | undefined])[] =
  [
    ['async', ['sync', 'async'], 'data', undefined, 'sync'],
    ['sync', ['sync'], 'data', 'sync', undefined],
    ['dirsync', ['dirsync'], 'data', 'dirsync', undefined],
    ['lazytime', ['lazytime'], 'data', 'lazytime', undefined],
    ['nolazytime', ['lazytime', 'nolazytime'], 'data', undefined, 'lazytime'],
    ['atime', ['noatime', 'atime'], 'flags', undefined, 'noatime'],
    ['noatime', ['noatime'], 'flags', 'noatime', 'relatime'],
    ['diratime', ['nodiratime', 'diratime'], 'flags', undefined, 'nodiratime'],
    ['nodiratime', ['nodiratime'], 'flags', 'nodiratime', undefined],
    ['relatime', ['relatime'], 'flags', 'relatime', undefined],
    // The kernel's own default is relatime, so that taking it away changes nothing that can be seen.
    ['norelatime', ['norelatime'], 'flags', 'rw', undefined],
    ['strictatime', ['strictatime'], 'flags', undefined, 'relatime'],
    ['nostrictatime', ['strictatime', 'nostrictatime'], 'flags', 'relatime', undefined],
    ['dev', ['nodev', 'dev'], 'flags', undefined, 'nodev'],
    ['nodev', ['nodev'], 'flags', 'nodev', undefined],
    ['exec', ['noexec', 'exec'], 'flags', undefined, 'noexec'],
    ['noexec', ['noexec'], 'flags', 'noexec', undefined],
    ['suid', ['nosuid', 'suid'], 'flags', undefined, 'nosuid'],
    ['nosuid', ['nosuid'], 'flags', 'nosuid', undefined],
    ['ro', ['ro'], 'flags', 'ro', 'rw'],
    ['rw', ['ro', 'rw'], 'flags', 'rw', 'ro'],
    ['defaults', ['defaults'], 'flags', 'rw', undefined],
    // Not shown by the kernel: it is enough that the file system, which does not know them, is not given them as data.
    ['iversion', ['iversion'], 'flags', 'rw', undefined],
    ['noiversion', ['noiversion'], 'flags', 'rw', undefined],
    ['loud', ['loud'], 'flags', 'rw', undefined],
    ['silent', ['silent'], 'flags', 'rw', undefined],
  ];

for (const [option, options, part, present, absent] of SHOWN)
  clause(`\`${option}\` | MUST |`, async (box) => {
    const line = await tmpfs(box, ...options);
    if (present !== undefined) expect(line[part]).toContain(present);
    if (absent !== undefined) expect(line[part]).not.toContain(absent);
  });

/** A directory, with another mount below it that holds a file, is bound to /mnt. */
async function bind(box: Box, ...options: string[]): Promise<MountLine[]> {
  const source = box.folder('source');
  mkdirSync(join(source, 'below'));
  execFileSync('mount', ['-t', 'tmpfs', 'below', join(source, 'below')]);
  return await box.mountsAt('/mnt', ({ mounts }) => {
    mounts.push({ destination: '/mnt', source, options });
  });
}

clause('`bind` | MUST | Bind mount', async (box) => {
  const mounts = await bind(box, 'bind');
  expect(mounts.map(({ destination }) => destination)).toEqual(['/mnt']);
});

clause('`rbind` | MUST | Recursive bind mount', async (box) => {
  const mounts = await bind(box, 'rbind');
  expect(mounts.map(({ destination }) => destination)).toEqual(['/mnt', '/mnt/below']);
});

for (const flag of ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime'])
  clause(`\`${flag}\` | MUST |`, 'of a bind mount', async (box) => {
    const [top] = await bind(box, 'bind', flag);
    expect(top?.flags).toContain(flag);
  });

clause('`remount` | MUST |', async (box) => {
  const mounts = await box.mountsAt('/mnt', ({ mounts }) => {
    mounts.push(
      { destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: ['size=64k'] },
      { destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: ['remount', 'ro', 'size=128k'] },
    );
  });
  expect(mounts.length).toBe(1);
  expect(mounts[0]?.flags).toContain('ro');
  expect(mounts[0]?.data).toContain('size=128k');
});

/** [option, whether it is for the mounts below as well, what the kernel says then] */
const PROPAGATION: readonly (readonly [string, boolean, RegExp])[] = [
  // It may receive from the host as well.
  ['shared', false, /(^| )shared:\d+/],
  ['rshared', true, /(^| )shared:\d+/],
  ['private', false, /^$/],
  ['rprivate', true, /^$/],
  ['slave', false, /^master:\d+/],
  ['rslave', true, /^master:\d+/],
  ['unbindable', false, /^unbindable$/],
  ['runbindable', true, /^unbindable$/],
];

for (const [option, recursive, expected] of PROPAGATION)
  clause(`\`${option}\` | MUST |${option === 'shared' ? '' : ' Bind mount propagation'}`, async (box) => {
    // Shared on the host: only that can have a slave, and only that has to be made private.
    execFileSync('mount', ['--make-shared', '-t', 'tmpfs', 'top', box.folder('source')]);
    const [top, below] = await bind(box, 'rbind', option);
    expect(top?.propagation.join(' ')).toMatch(expected);
    if (recursive) expect(below?.propagation.join(' ')).toMatch(expected);
  });
