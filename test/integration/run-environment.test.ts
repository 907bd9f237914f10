/** The flags about the surroundings of the program: -e, --env-file, -w, --entrypoint, --hostname, --name, --network, -u. */
import { readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox', 'debian'] });
const run = (...args: string[]) => tsrun.run('run', '--rm', ...args);
const refused = (message: string, hint?: string) => ({
  code: 125,
  stdout: '',
  stderr: `tsrun: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`,
});
const file = (name: string, text: string) => {
  const path = join(tsrun.scratch, name);
  writeFileSync(path, text);
  return path;
};

describe('-e and --env-file', () => {
  test('set variables: the last of a name wins, a name alone takes this shell’s value, a value is kept exactly', async () => {
    const path = file(
      'env',
      '# a comment\n\n  FROM_FILE=two  words \r\nHOST_FILE\nNOT_THERE_FILE\nOVER=file\nQUOTED="as it is" # too\nHASH=a#b\n',
    );
    const { stdout } = await tsrun.runWith(
      { env: { HOST: 'host value', HOST_FILE: 'of the host' } },
      ...[
        'run',
        '--rm',
        '--hostname',
        'h',
        '-e',
        'TWICE=1',
        '--env-file',
        path,
        '-e',
        'TWICE=2',
        '--env=OVER=flag',
      ],
      ...[
        '-e',
        'HOST',
        '-e',
        'NOT_THERE',
        '-e',
        'EMPTY=',
        '-e',
        'LINES=a\nb=c',
        '-eHOME=/h',
        'busybox',
        'env',
      ],
    );
    expect(stdout.split('\n').toSorted().filter(Boolean)).toEqual(
      [
        ...['EMPTY=', 'FROM_FILE=two  words ', 'HASH=a#b', 'HOME=/h', 'HOST=host value', 'HOSTNAME=h'],
        ...['HOST_FILE=of the host', 'LINES=a', 'OVER=flag', 'QUOTED="as it is" # too', 'TWICE=2', 'b=c'],
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ].toSorted(),
    );
  });

  test('refuse a file that is missing, a name with a space, and a variable without a name', async () => {
    expect(await run('--env-file', '/nope', 'busybox', 'true')).toEqual(
      refused(
        'Cannot read the environment file /nope: it does not exist',
        'correct the path after --env-file',
      ),
    );
    const path = file('bad', 'GOOD=1\nBAD NAME=1\n');
    expect(await run('--env-file', path, 'busybox', 'true')).toEqual(
      refused(`Cannot read line 2 of ${path}: "BAD NAME" is no name of a variable`),
    );
    expect(await run('-e', '=x', 'busybox', 'true')).toEqual(
      refused('Cannot set the variable "=x": it has no name'),
    );
  });
});

test('-w sets the working directory and makes a missing one; it must be absolute', async () => {
  expect(
    (await run('-w', '/new/deep', '-u', '65534', 'busybox', 'sh', '-c', 'pwd; stat -c "%A %u:%g" .')).stdout,
  ).toBe('/new/deep\ndrwxr-xr-x 0:0\n');
  expect((await run('-w', '/etc/../tmp/.', 'busybox', 'pwd')).stdout).toBe('/tmp\n');
  expect(await run('-w', 'tmp', 'busybox', 'pwd')).toEqual(
    refused('Cannot use the working directory "tmp": it is not an absolute path', 'give the path from /'),
  );
});

describe('-u', () => {
  const id = async (user: string) =>
    (await run('-u', user, 'debian:bookworm', 'sh', '-c', 'id; echo $HOME; grep Groups /proc/self/status'))
      .stdout;

  test('takes a name, with its group, its groups and its home', async () => {
    expect(await id('daemon')).toBe('uid=1(daemon) gid=1(daemon) groups=1(daemon)\n/usr/sbin\nGroups:\t1 \n');
  });

  test('takes numbers, and the group given is among the supplementary groups (CVE-2022-36109)', async () => {
    expect(await id('1000:1000')).toBe('uid=1000 gid=1000 groups=1000\n/\nGroups:\t1000 \n');
    expect(await id('65534')).toMatch(/^uid=65534\(nobody\) gid=65534\(nogroup\) groups=65534\(nogroup\)\n/);
    expect(await id('mail:tty')).toMatch(/^uid=8\(mail\) gid=5\(tty\) groups=5\(tty\)\n/);
  });

  test('an ordinary user has no capability in effect, and none after changing the user', async () => {
    const { stdout } = await run(
      '-u',
      '1000',
      'busybox',
      'grep',
      '-E',
      'Cap(Prm|Eff|Inh|Amb)',
      '/proc/self/status',
    );
    expect(stdout.match(/0{16}/g)).toHaveLength(4);
  });

  test.each([
    ['nosuch', 'unable to find user nosuch: no matching entries in passwd file'],
    ['root:nosuch', 'unable to find group nosuch: no matching entries in group file'],
    ['4294967296', 'Cannot use uid 4294967296: it is out of range (0 to 2147483647)'],
    ['-1', 'Cannot use uid -1: it is out of range (0 to 2147483647)'],
    ['0:4294967295', 'Cannot use gid 4294967295: it is out of range (0 to 2147483647)'],
    ['0x0', 'unable to find user 0x0: no matching entries in passwd file'],
    ['1e3', 'unable to find user 1e3: no matching entries in passwd file'],
  ])('refuses %s', async (user, message) => {
    const { code, stdout, stderr } = await run('-u', user, 'busybox', 'id');
    expect({ code, stdout, message: stderr.split('\n')[0] }).toEqual({
      code: 125,
      stdout: '',
      message: `tsrun: ${message}`,
    });
    expect(stderr).toMatch(/\nhint: .+\n$/);
  });
});

test('--entrypoint replaces the entrypoint and drops the image’s command; the empty one means none', async () => {
  expect((await run('--entrypoint', 'echo', 'busybox', 'a', '-x', '--rm')).stdout).toBe('a -x --rm\n');
  expect((await run('--entrypoint', '/bin/pwd', 'busybox')).stdout).toBe('/\n');
  expect((await run('--entrypoint', '', 'busybox', 'echo', 'b')).stdout).toBe('b\n');
  expect(await run('--entrypoint=', 'busybox')).toEqual(
    refused(
      'Cannot run busybox: no command specified',
      'the image names neither an entrypoint nor a command; give one after the image',
    ),
  );
});

describe('--hostname', () => {
  test('is the name inside, and the host keeps its own', async () => {
    const before = readlinkSync('/proc/self/ns/uts');
    const script = 'hostname; cat /etc/hostname; grep box.example /etc/hosts; echo $HOSTNAME';
    expect((await run('--network', 'none', '-h', 'box.example', 'busybox', 'sh', '-c', script)).stdout).toBe(
      'box.example\nbox.example\n127.0.0.1\tbox.example box\nbox.example\n',
    );
    expect(readlinkSync('/proc/self/ns/uts')).toBe(before);
  });

  test.each(['a\nb', 'a\r', 'a b', '', '-a', 'a'.repeat(65)])('refuses %j', async (name) => {
    expect(await run('--hostname', name, 'busybox', 'true')).toEqual(
      refused(
        `Cannot use ${JSON.stringify(name)} as a host name: 1 to 64 letters, digits, dots and hyphens are allowed`,
      ),
    );
  });
});

describe('--name', () => {
  test('names one container, and tells who has the name when it is taken', async () => {
    await tsrun.ok('run', '--name', 'one', 'busybox', 'true');
    const id = (await tsrun.ok('ps', '-aq')).trim();
    expect(await run('--name', 'one', 'busybox', 'true')).toEqual(
      refused(
        `Cannot name a container one: the name is taken by container ${id}`,
        'remove that one (tsrun rm one), or choose another name',
      ),
    );
    await tsrun.ok('rm', 'one');
  });

  test.each(['a b', '-a', 'a/../b', 'x', ''])('refuses %j', async (name) => {
    expect(await run(`--name=${name}`, 'busybox', 'true')).toEqual(
      refused(
        `Cannot name a container ${JSON.stringify(name)}: names are made of [a-zA-Z0-9][a-zA-Z0-9_.-]`,
        'give a name of two characters or more, such as web-1',
      ),
    );
  });
});

describe('--network', () => {
  test('none has lo alone, host has the host’s network, its names and its resolvers', async () => {
    const script = 'ls /sys/class/net; readlink /proc/self/ns/net; cat /etc/resolv.conf';
    const none = (await run('--network', 'none', 'busybox', 'sh', '-c', script)).stdout;
    const host = (await run('--network=host', 'busybox', 'sh', '-c', script)).stdout;
    const own = readlinkSync('/proc/self/ns/net');
    expect(none).toMatch(/^lo\nnet:/);
    expect(none).not.toContain(own);
    expect(host).toContain(own);
  });

  test('refuses any other', async () => {
    expect(await run('--network', 'none-such', 'busybox', 'true')).toEqual(
      refused('No such network: none-such', 'tsrun network ls lists them; tsrun network create makes one'),
    );
  });
});
