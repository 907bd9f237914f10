/** Known attacks on container runtimes, tried through the command line. After each, a host directory and tsrun's own files are as before. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dockerArchive, shellLayer, type TestImage } from '../support/image-archives.ts';
import type { RawEntry } from '../support/raw-tar.ts';
import { useTsrun } from '../support/tsrun.ts';
import { NATIVE_DIRECTORY, PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: 'own' });
const OWN_FILES = [PROGRAM, join(NATIVE_DIRECTORY, 'tsrun-exec'), join(NATIVE_DIRECTORY, 'libtsrun.so')];

// The files of tsrun are built by others too: what counts is that no container changed them while it ran.
let before: string;
let victim: string;
beforeEach(() => {
  victim = mkdtempSync(join(tsrun.scratch, 'victim-'));
  writeFileSync(join(victim, 'file'), 'of the host\n', { mode: 0o640 });
  mkdirSync(join(victim, 'directory'));
  before = sentinel();
});
afterEach(() => {
  expect(sentinel()).toBe(before);
});

function sentinel(): string {
  const describeFile = (path: string) => {
    const { mode, uid, gid, nlink, mtimeMs, size } = lstatSync(path);
    return `${path} ${mode.toString(8)} ${uid}:${gid} ${nlink} ${mtimeMs} ${size}`;
  };
  const tree = ['', ...readdirSync(victim, { recursive: true, encoding: 'utf8' }).toSorted()];
  return [
    ...tree.map((name) => describeFile(join(victim, name))),
    readFileSync(join(victim, 'file'), 'utf8'),
    ...OWN_FILES.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex')),
  ].join('\n');
}

async function withImage(
  image: Omit<TestImage, 'name'>,
  use: (name: string) => Promise<void>,
): Promise<void> {
  const name = 'attack:1';
  const loaded = await tsrun.runWith({ stdin: dockerArchive({ ...image, name }) }, 'load', '-q');
  expect(loaded).toEqual({ code: 0, stdout: '', stderr: '' });
  try {
    await use(name);
  } finally {
    await tsrun.ok('rmi', name);
  }
}

beforeAll(async () => {
  const stdin = dockerArchive({ name: 'first:1', layers: [shellLayer()] });
  await tsrun.runWith({ stdin }, 'load', '-q');
  await tsrun.ok('rmi', 'first:1'); // the directories of the store are made, and stay
});

test('the sentinel of these tests sees a write to the host', async () => {
  await withImage({ layers: [shellLayer()] }, async (image) => {
    await tsrun.ok('run', '--rm', '-v', `${victim}:/v`, image, 'touch', '/v/directory/x');
  });
  expect(sentinel()).not.toBe(before);
  before = sentinel();
});

test('a program cannot reach the one that started it through /proc/self/exe, a link to it, or a #! line (CVE-2019-5736)', async () => {
  const extra: RawEntry[] = [
    { name: 'bin/link', type: '2', link: '/proc/self/exe' },
    { name: 'bin/script', mode: 0o755, data: '#!/proc/self/exe\n' },
  ];
  await withImage({ layers: [[...shellLayer(), ...extra]] }, async (image) => {
    for (const program of ['/proc/self/exe', '/bin/link', '/bin/script']) {
      const { code, stdout } = await tsrun.run('run', '--rm', image, program);
      expect(stdout).toBe('');
      expect(code).toBeGreaterThan(0);
    }
    const script = `
for pid in /proc/[0-9]*; do for file in exe fd/3 fd/5 fd/9 fd/20; do
  echo overwritten 2>/dev/null > $pid/$file; done; done; ls -l /proc/1/exe`;
    expect(await tsrun.ok('run', '--rm', image, 'sh', '-c', script)).toMatch(/-> \/bin\/busybox\n$/);
  });
});

test('no descriptor of tsrun is left for a program or its working directory (CVE-2024-21626)', async () => {
  await withImage({ layers: [shellLayer()] }, async (image) => {
    expect(await tsrun.ok('run', '--rm', image, 'sh', '-c', 'ls /proc/1/fd; true')).toBe('0\n1\n2\n');
    for (const directory of [
      '/proc/self/fd/3',
      '/proc/self/fd/8',
      '/proc/self/fd/24',
      '/proc/1/cwd',
      '/proc/self/root',
    ]) {
      const { code, stdout, stderr } = await tsrun.run('run', '--rm', '-w', directory, image, 'pwd');
      expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
      expect(stderr).toMatch(/^tsrun: Cannot start the container: .+\n(hint: .+\n)?$/);
    }
  });
});

describe('an image whose', () => {
  /** The container starts, with the image's links followed inside its own root at most. */
  async function runsContained(
    extra: readonly RawEntry[],
    flags: readonly string[] = [],
    script = 'echo contained',
  ): Promise<void> {
    const layer = shellLayer().filter(({ name }) => !extra.some((entry) => entry.name === name));
    await withImage({ layers: [[...layer, ...extra]] }, async (image) => {
      const { code, stdout, stderr } = await tsrun.run('run', '--rm', ...flags, image, 'sh', '-c', script);
      expect({ code, stdout: stdout.trim(), stderr }).toEqual({ code: 0, stdout: 'contained', stderr: '' });
    });
  }

  test('/etc/hosts, hostname and resolv.conf are links to a file of the host (CVE-2024-5154)', async () => {
    const links = ['hosts', 'hostname', 'resolv.conf'].map((name) => ({
      ...{ name: `etc/${name}`, type: '2' },
      link: `${victim}/file`,
    }));
    await runsContained(links);
    await runsContained(links.map((entry) => ({ ...entry, link: `../../../../../../..${victim}/file` })));
  });

  test('/etc/passwd and /etc/group are links to a file of the host: its users are not read', async () => {
    writeFileSync(join(victim, 'file'), 'ghost:x:4242:4242::/:/bin/sh\n');
    before = sentinel();
    const link = { name: 'etc/passwd', type: '2', link: `${victim}/file` };
    const rest = shellLayer().filter(({ name }) => name !== 'etc/passwd');
    await withImage({ layers: [[...rest, link]], config: { User: 'ghost' } }, async (image) => {
      expect((await tsrun.run('run', '--rm', image, 'id')).stderr).toMatch(
        /^tsrun: unable to find user ghost: /,
      );
    });
  });

  test.each(['proc', 'sys', 'dev'])(
    '/%s is a link to a directory of the host: it is not started',
    async (name) => {
      const layers = [
        [...shellLayer().filter((entry) => entry.name !== name), { name, type: '2', link: victim }],
      ];
      await withImage({ layers }, async (image) => {
        expect(await tsrun.run('run', '--rm', image, 'true')).toEqual({
          code: 125,
          stdout: '',
          stderr: `tsrun: Cannot start the container: /${name} leads through a symbolic link that is not followed here: it must be mounted on ordinary directory\nhint: the image has a link where a plain directory or file is needed\n`,
        });
      });
    },
  );

  test.each(['etc', 'tmp'])(
    '/%s is a link to a directory of the host: the link ends inside',
    async (name) => {
      const layer = shellLayer().filter(({ name: n }) => n !== name && !`${n}`.startsWith(`${name}/`));
      await withImage({ layers: [[...layer, { name, type: '2', link: victim }]] }, async (image) => {
        const script = `ls ${name === 'etc' ? victim : '/tmp'} && echo made inside`;
        expect(await tsrun.ok('run', '--rm', '--tmpfs', '/tmp', image, 'sh', '-c', script)).toBe(
          name === 'etc' ? 'hostname\nhosts\nresolv.conf\nmade inside\n' : 'made inside\n',
        );
      });
    },
  );

  test('/dev/null and /dev/console are links to a file of the host, with and without a terminal (CVE-2025-31133, 52565)', async () => {
    const links = ['null', 'console', 'pts', 'ptmx'].map((name) => ({
      ...{ name: `dev/${name}`, type: '2' },
      link: `${victim}/file`,
    }));
    await runsContained(links);
    await runsContained(links, ['-t']);
    await runsContained(links, ['-t', '--read-only']);
  });

  test('volume destination is a link out of the root', async () => {
    const source = mkdtempSync(join(tsrun.scratch, 'source-'));
    await runsContained([{ name: 'data', type: '2', link: victim }], ['-v', `${source}:/data/made/deep`]);
    await runsContained([{ name: 'data', type: '2', link: '../../../../..' }], ['--tmpfs', '/data/made']);
  });
});
