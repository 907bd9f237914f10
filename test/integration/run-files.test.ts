/** The flags about files: -v, --tmpfs, --read-only, --rm. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const run = (flags: readonly string[], script: string) =>
  tsrun.run('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const inside = (flags: readonly string[], script: string) =>
  tsrun.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

function hostDirectory(): string {
  const directory = mkdtempSync(join(tsrun.scratch, 'host-'));
  writeFileSync(join(directory, 'file'), 'of the host\n', { mode: 0o640 });
  return directory;
}

describe('-v', () => {
  test('shows a directory and a file of the host, and what is written there is on the host', async () => {
    const host = hostDirectory();
    const flags = ['-v', `${host}:/made/for/this`, '-v', `${host}/file:/etc/passwd`];
    const script =
      'cat /etc/passwd; echo inside > /made/for/this/new; echo more >> /etc/passwd; stat -c "%A %u:%g" /made/for';
    expect(await inside(flags, script)).toBe('of the host\ndrwxr-xr-x 0:0\n');
    expect(readFileSync(join(host, 'new'), 'utf8')).toBe('inside\n');
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('of the host\nmore\n');
  });

  test(':ro refuses every write, also to what is mounted below the source; rw is the default said aloud', async () => {
    const host = hostDirectory();
    mkdirSync(join(host, 'below'));
    execFileSync('mount', ['-t', 'tmpfs', 'below', join(host, 'below')]);
    onTestFinished(() => {
      execFileSync('umount', [join(host, 'below')]);
    });
    const flags = ['-v', `${host}:/ro:ro`, '-v', `${host}:/rw:rw`];
    const script =
      'for f in /ro/x /ro/below/x /ro/file; do touch $f; done; touch /rw/x /rw/below/x; ls /ro /ro/below';
    const { stdout, stderr } = await run(flags, script);
    expect(stderr).toBe(
      ['/ro/x', '/ro/below/x', '/ro/file'].map((f) => `touch: ${f}: Read-only file system\n`).join(''),
    );
    expect(stdout).toBe('/ro:\nbelow\nfile\nx\n\n/ro/below:\nx\n');
  });

  test('mounts one volume inside another, whatever the order they are given in', async () => {
    const [outer, inner] = [hostDirectory(), hostDirectory()];
    writeFileSync(join(inner, 'inner'), '');
    const flags = ['-v', `${inner}:/data/inner`, '-v', `${outer}:/data`, '--tmpfs', '/data/inner/tmp'];
    mkdirSync(join(outer, 'inner'));
    mkdirSync(join(inner, 'tmp'));
    expect(
      await inside(flags, 'ls /data /data/inner; touch /data/inner/tmp/x; stat -f -c %T /data/inner/tmp'),
    ).toBe('/data:\nfile\ninner\n\n/data/inner:\nfile\ninner\ntmp\ntmpfs\n');
    expect(readdirSync(join(inner, 'tmp'))).toEqual([]);
  });

  test('takes the place of a mount the container has anyway', async () => {
    const host = hostDirectory();
    const flags = ['-v', `${host}:/dev/shm`, '-v', `${host}/file:/etc/hosts`];
    expect(await inside(flags, 'ls /dev/shm; cat /etc/hosts')).toBe('file\nof the host\n');
  });

  test('a mount made on the host later, or in the container, does not reach the other side', async () => {
    const host = hostDirectory();
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    const script = 'mkdir /data/m; mount -t tmpfs x /data/m && touch /data/m/x && ls /data/m';
    expect(await inside(['--cap-add', 'SYS_ADMIN', '-v', `${host}:/data`], script)).toBe('x\n');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
    expect(readdirSync(join(host, 'm'))).toEqual([]);
  });

  test('follows a symbolic link of the host in the source, and none of the image out of the container', async () => {
    const host = hostDirectory();
    symlinkSync(host, join(tsrun.scratch, 'link'));
    expect(await inside(['-v', `${tsrun.scratch}/link:/data`], 'ls /data')).toBe('file\n');
  });

  test.each([
    [
      'data:/data',
      '"data" is not an absolute path of the host',
      'give the path from /, such as "$PWD/data:/data"',
    ],
    ['/tmp', 'it is not of the form HOST:CONTAINER[:OPTIONS]', undefined],
    ['/tmp:data', '"data" is not an absolute path in the container', undefined],
    ['/tmp:/', 'the root of the container cannot be a mount point', undefined],
    ['/tmp:/a/..', 'the root of the container cannot be a mount point', undefined],
    [
      '/tmp:/x:rx',
      '"rx" is not an option; there are ro, rw, private, rprivate, slave, rslave, shared, rshared',
      undefined,
    ],
  ])('refuses %s', async (volume, why, hint) => {
    expect(await run(['-v', volume], 'true')).toEqual({
      code: 125,
      stdout: '',
      stderr: `tsrun: Cannot mount "${volume}": ${why}\n${hint === undefined ? '' : `hint: ${hint}\n`}`,
    });
  });
});

describe('--tmpfs', () => {
  test('is empty, nosuid, nodev and noexec, and takes options', async () => {
    const flags = ['--tmpfs', '/etc', '--tmpfs', '/t:size=1m,mode=1770,uid=5,exec'];
    const script =
      'ls -A /etc; grep -E " (/etc|/t) " /proc/mounts | cut -d" " -f4; stat -c "%a %u" /t; head -c 2000000 /dev/zero 2>/dev/null > /t/big; wc -c < /t/big';
    expect(await inside(flags, script)).toMatch(
      /^hostname\nhosts\nresolv\.conf\nrw,nosuid,nodev,noexec,relatime\S*\nrw,nosuid,nodev,relatime,size=1024k,mode=1770,uid=5\S*\n1770 5\n1048576\n$/,
    );
  });

  test('says what the kernel said of an option it does not know', async () => {
    const { code, stderr } = await run(['--tmpfs', '/t:bogus=1'], 'true');
    expect(code).toBe(125);
    expect(stderr).toMatch(/^tsrun: Cannot start the container: .*tmpfs.*bogus.*\n/);
    expect(stderr).toMatch(/Unknown parameter 'bogus'/);
  });
});

test('--read-only refuses writes to the root, but not to volumes, tmpfs and /dev', async () => {
  const flags = ['--read-only', '--tmpfs', '/t', '-v', `${hostDirectory()}:/data`];
  const script =
    'touch /x /etc/hosts.new; touch /t/x /data/x /dev/shm/x && echo written; grep -c " / overlay ro" /proc/mounts';
  const { stdout, stderr } = await run(flags, script);
  expect(stdout).toBe('written\n1\n');
  expect(stderr).toBe('touch: /x: Read-only file system\ntouch: /etc/hosts.new: Read-only file system\n');
});

test('--rm leaves nothing of a container, and without it what was written stays', async () => {
  const containers = () => readdirSync(join(tsrun.dataRoot, 'containers'));
  expect(await inside([], 'touch /written')).toBe('');
  expect(containers()).toEqual([]);
  await tsrun.ok('run', '--name', 'kept', 'busybox', 'touch', '/written');
  const [id = ''] = containers();
  expect(readdirSync(join(tsrun.dataRoot, 'containers', id, 'upper'))).toContain('written');
  await tsrun.ok('rm', 'kept');
  expect(containers()).toEqual([]);
});
