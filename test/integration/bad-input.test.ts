/** Wrong input: one clear message that says what was tried, on what, what was wrong and what to do; the right status; nothing left. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  dockerArchive,
  ociArchive,
  ociFiles,
  shellLayer,
  type TestImage,
} from '../support/image-archives.ts';
import { rawTar } from '../support/raw-tar.ts';
import { imageArchive, useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });

const refusal = (message: string, hint?: string, code = 125) => ({
  code,
  stdout: '',
  stderr: `tsrun: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`,
});

/** Each row: the words of the command, what it says, and its status when that is not 125. */
const REFUSED: readonly (readonly [args: string, message: string, hint: string, code?: number])[] = [
  [
    'run --pull never --rm nosuch true',
    'No such image: nosuch:latest',
    'see `tsrun images`; bring an image in with `tsrun pull`, `tsrun load` or `tsrun import`',
  ],
  [
    'run --rm Busy/Box! true',
    'Invalid image reference "Busy/Box!": a repository name must be lower case',
    'write it as name, name:tag, registry:port/name:tag or name@sha256:…',
  ],
  [
    'run --rm busybox nosuch',
    'Cannot start the container: exec: "nosuch": executable file not found in $PATH',
    'the image has no such program; name another one, or give its full path',
    127,
  ],
  [
    'run --rm busybox /bin/nosuch',
    'Cannot start the container: exec: "/bin/nosuch": no such file or directory',
    'the file is missing in the image, or the interpreter or loader that it names is',
    127,
  ],
  [
    'run --rm busybox /etc/passwd/x',
    'Cannot start the container: exec: "/etc/passwd/x": not a directory',
    'a part of the path is a file',
    127,
  ],
  [
    'run --rm busybox /etc',
    'Cannot start the container: exec: "/etc": permission denied',
    'it is a directory, or its execute permission is missing for this user',
    126,
  ],
  [
    'run --rm -u nosuch busybox id',
    'unable to find user nosuch: no matching entries in passwd file',
    'the name must be in the image’s /etc/passwd; a numeric user id needs no entry',
  ],
  [
    'run --rm -w /etc/passwd busybox pwd',
    'Cannot start the container: /etc/passwd is not a directory: /etc/passwd is a file',
    'use a directory of the image, or a path that does not exist yet',
  ],
  [
    'run --rm -v /nosuch/dir:/data busybox true',
    'Cannot mount /nosuch/dir: it does not exist on the host',
    'make it first, or correct the path before the colon of -v',
  ],
  ['run --rm --nosuch busybox true', 'unknown flag: --nosuch', "see 'tsrun run --help'"],
  ['run --rm -Z busybox true', 'unknown flag: -Z', "see 'tsrun run --help'"],
  ['run --rm --name', 'flag needs an argument: --name', "see 'tsrun run --help'"],
  ['run --rm -ie', 'flag needs an argument: -e', "see 'tsrun run --help'"],
  ['run --rm=maybe busybox true', '--rm takes true or false, not "maybe"', "see 'tsrun run --help'"],
  ['run --rm', "'tsrun run' needs an image", "see 'tsrun run --help'"],
  ['frobnicate', "'frobnicate' is not a tsrun command", "see 'tsrun help'"],
  ['network frobnicate', "'network frobnicate' is not a tsrun command", "see 'tsrun network --help'"],
  ['run --rm --network container:nosuch busybox true', 'No such container: nosuch', 'tsrun ps -a lists them'],
  ['ps extra', "'tsrun ps' takes exactly 0 arguments, not 1", "see 'tsrun ps --help'"],
  ['rm', "'tsrun rm' takes at least 1 argument, not 0", "see 'tsrun rm --help'"],
  [
    'load -i /nosuch.tar',
    'Cannot load the archive: opening "/nosuch.tar" gave ENOENT',
    'give an archive made by `docker save`, `podman save` or `skopeo copy`, or an OCI image layout',
  ],
  [
    'rmi nosuch',
    'No such image: nosuch:latest',
    'see `tsrun images`; bring an image in with `tsrun pull`, `tsrun load` or `tsrun import`',
    1,
  ],
];

for (const [args, message, hint, code] of REFUSED) {
  test(`tsrun ${args}`, async () => {
    expect(await tsrun.run(...args.split(' '))).toEqual(refusal(message, hint, code));
  });
}

test('a program for another machine, and a script whose interpreter is missing', async () => {
  const programs = mkdtempSync(join(tsrun.scratch, 'programs-'));
  writeFileSync(join(programs, 'data'), '\x7fELF and nothing more', { mode: 0o755 });
  writeFileSync(join(programs, 'script'), '#!/no/such/shell\n', { mode: 0o755 });
  const run = (program: string) =>
    tsrun.run('run', '--rm', '-v', `${programs}:/p`, 'busybox', `/p/${program}`);
  expect(await run('data')).toEqual(
    refusal(
      'Cannot start the container: exec: "/p/data": exec format error',
      'the program is for another architecture, or a script without a #! line',
      126,
    ),
  );
  expect(await run('script')).toEqual(
    refusal(
      'Cannot start the container: exec: "/p/script": no such file or directory',
      'the file is missing in the image, or the interpreter or loader that it names is',
      127,
    ),
  );
});

describe('an archive that is damaged', () => {
  const own = useTsrun({ images: 'own' });
  const image: TestImage = { name: 'broken:1', layers: [shellLayer()] };
  const load = (stdin: Buffer) => own.runWith({ stdin }, 'load');
  // The directories of the store are made by the first load, and stay.
  beforeAll(async () => {
    expect(await load(ociArchive(image))).toMatchObject({ code: 0 });
    await own.ok('rmi', 'broken:1');
    expect(content()).toEqual([]);
  });
  const again = 'the archive is damaged, or the store: see `tsrun system check`';
  /** What is in the store besides its own empty directories. */
  const content = () =>
    ['image/blobs/sha256', 'layers/sha256', 'layers/l', 'tmp', 'resolved'].flatMap((name) => {
      const path = join(own.dataRoot, name);
      return existsSync(path) ? readdirSync(path).map((entry) => `${name}/${entry}`) : [];
    });

  test('is refused wherever the damage is, and leaves nothing in the store', async () => {
    const whole = ociArchive(image);
    expect((await load(gzipSync(whole).subarray(0, 100_000))).stderr).toBe(
      'tsrun: Cannot uncompress the gzip stream: unexpected end of file\nhint: the archive is damaged or cut off; fetch it again\n',
    );
    expect((await load(whole.subarray(0, 300_000))).stderr).toMatch(
      /^tsrun: Cannot .* archive: it is cut off\nhint: .+\n$/,
    );
    expect((await load(Buffer.from('no archive at all'))).stderr).toMatch(
      /^tsrun: Cannot .* archive: .+\nhint: .+\n$/,
    );
    expect((await load(Buffer.alloc(0))).stderr).toMatch(
      /^tsrun: Cannot load the archive: it has neither manifest\.json .*\nhint: .+\n$/,
    );
    expect((await load(rawTar([{ name: 'x', data: 'y' }]))).code).toBe(125);
    expect(content()).toEqual([]);
  });

  test('is refused when one byte of a layer has changed: the digest tells', async () => {
    const [layer = ''] = [...ociFiles(image).keys()];
    const digest = layer.replace('blobs/sha256/', 'sha256:');
    const flipped = ociArchive(image);
    const at = flipped.indexOf('root:x:0:0:root');
    flipped[at] = 0x52;
    expect(await load(flipped)).toEqual({
      code: 125,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(
          `^tsrun: Cannot read the blob ${digest}: its content has the digest sha256:[0-9a-f]{64}\nhint: ${again}\n$`,
        ),
      ),
    });
    const docker = dockerArchive(image);
    docker[docker.indexOf('root:x:0:0:root')] = 0x52;
    const { code, stderr } = await load(docker);
    expect(code).toBe(125);
    expect(stderr).toMatch(/^tsrun: .*sha256:[0-9a-f]{64}.*\nhint: .+\n$/);
    expect(content()).toEqual([]);
  });
});

describe('the data root', () => {
  const run = (root: string) =>
    tsrun.runWith({ env: { TSRUN_ROOT: root } }, 'run', '--rm', 'busybox', 'true');

  test('must be an absolute path that can be made', async () => {
    expect(await run('data')).toEqual(
      refusal('Cannot use TSRUN_ROOT=data: it is not an absolute path', 'give the path from /'),
    );
    const hint = 'set TSRUN_ROOT and TSRUN_RUN_ROOT to directories that can be written';
    const file = join(tsrun.scratch, 'file'); // not one of the host's: in the VM its root is an overlay
    writeFileSync(file, '');
    expect(await run(`${file}/x`)).toEqual(
      refusal(`Cannot make the directory ${file}/x: not a directory (ENOTDIR)`, hint),
    );
    expect(await run('/proc/x')).toEqual(
      refusal('Cannot make the directory /proc/x: no such file or directory (ENOENT)', hint),
    );
    expect(await run('/sys/x')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining(`\nhint: ${hint}\n`),
    });
  });

  test('cannot lie on overlayfs, and nothing is made there', async () => {
    const place = mkdtempSync(join(tsrun.scratch, 'overlay-'));
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(place, name));
    const options = `lowerdir=${place}/lower,upperdir=${place}/upper,workdir=${place}/work`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, `${place}/merged`]);
    onTestFinished(() => {
      execFileSync('umount', [`${place}/merged`]);
    });
    const root = `${place}/merged/data`;
    expect(await run(root)).toEqual(
      refusal(
        `Cannot run containers from ${root}: it lies on overlayfs, and an overlay cannot have its writable layer there`,
        'set TSRUN_ROOT to a directory on ext4, xfs, btrfs or tmpfs',
      ),
    );
    expect(readdirSync(`${place}/merged`)).toEqual([]);
  });

  test('may be too small for an image: the message names the cause, and the space comes back', async () => {
    const root = tmpfs('2m');
    const { code, stdout, stderr } = await tsrun.runWith(
      { env: { TSRUN_ROOT: root } },
      ...['load', '-i', await imageArchive('busybox')],
    );
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(
      /^tsrun: Cannot .*ENOSPC.*\nhint: free space on the file system of the data root.*\n$/,
    );
    expect(usedBytes(root)).toBeLessThan(64 * 1024);
  });

  test('may be full when a container is made: it is not made, and the next one works', async () => {
    const root = tmpfs('8m');
    const env = { TSRUN_ROOT: root };
    expect(await tsrun.runWith({ env }, 'load', '-qi', await imageArchive('busybox'))).toMatchObject({
      code: 0,
    });
    expect(await run(root)).toEqual({ code: 0, stdout: '', stderr: '' });
    const [filler, chunk] = [openSync(join(root, 'filler'), 'w'), Buffer.alloc(4096)];
    expect(() => {
      for (;;) writeSync(filler, chunk);
    }).toThrow('ENOSPC');
    closeSync(filler);
    expect(await run(root)).toEqual(
      refusal(
        `Cannot make a container in ${root}: no space left on device (ENOSPC)`,
        'free space on that file system, or set TSRUN_ROOT to a directory on another one',
      ),
    );
    rmSync(join(root, 'filler'));
    expect(readdirSync(join(root, 'containers'))).toEqual([]);
    expect(await run(root)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  function tmpfs(size: string): string {
    const root = mkdtempSync(join(tsrun.scratch, 'small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'small', root]);
    onTestFinished(() => {
      execFileSync('umount', [root]);
    });
    return root;
  }

  function usedBytes(root: string): number {
    const { blocks, bfree, bsize } = statfsSync(root);
    return (blocks - bfree) * bsize;
  }
});

describe('without root', () => {
  const nobody = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', PROGRAM, ...args],
      { encoding: 'utf8', env: { ...process.env, ...tsrun.env } },
    );
    return { code: status, stdout, stderr };
  };

  test('run, load and import say that they need it', ({ skip }) => {
    skip(!openToAll(PROGRAM), `${PROGRAM} lies where other users may not read`);
    const because = 'as user 65534: it needs namespaces and mounts that only root may make';
    const hint = 'run it with sudo, or as root';
    expect(nobody('run', '--rm', 'busybox', 'true')).toEqual(refusal(`Cannot run busybox ${because}`, hint));
    expect(nobody('load', '-i', '/x')).toEqual(refusal(`Cannot load images ${because}`, hint));
    expect(nobody('import', '/x')).toEqual(refusal(`Cannot import an image ${because}`, hint));
  });

  test('the other verbs say what they were not allowed to read', ({ skip }) => {
    skip(!openToAll(PROGRAM), `${PROGRAM} lies where other users may not read`);
    const { code, stdout, stderr } = nobody('ps');
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(
      /^tsrun: Cannot \w+ \/\S+: permission denied \(EACCES\)\nhint: run it with sudo, or as root\n$/,
    );
  });
});

/** Whether every directory on the way may be entered by others. */
function openToAll(path: string): boolean {
  for (let at = dirname(path); at !== '/'; at = dirname(at)) {
    const { status } = spawnSync('setpriv', [
      '--reuid=65534',
      '--clear-groups',
      '--regid=65534',
      'test',
      '-x',
      at,
    ]);
    if (status !== 0) return false;
  }
  accessSync(path, constants.X_OK);
  return true;
}
