/** `network connect` and `disconnect`: containers that run get and lose a network. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });

/** A container with a shell; `ask` runs a command in it, and resolves with what that prints. */
async function start(name: string, ...flags: string[]) {
  const child = tsrun.start('run', '-i', '--rm', '--name', name, ...flags, 'busybox', 'sh');
  let printed = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk;
    child.emit('printed');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  child.on('exit', () => child.emit('printed'));
  const ask = async (command: string): Promise<string> => {
    printed = '';
    child.stdin?.write(`${command}\necho end-of-answer\n`);
    while (!printed.includes('end-of-answer')) {
      expect(child.exitCode, errors).toBeNull();
      await once(child, 'printed');
    }
    return printed.replace('end-of-answer\n', '');
  };
  await ask('true');
  return {
    ask,
    child,
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function network(...words: string[]): Promise<AsyncDisposable> {
  await tsrun.ok('network', 'create', ...words);
  return {
    [Symbol.asyncDispose]: async () => {
      await tsrun.ok('network', 'rm', words.at(-1) ?? '');
    },
  };
}

const reaches = (name: string) => `ping -c 1 -W 1 ${name} >/dev/null 2>&1 && echo yes || echo no`;

test('a container that joins a network is found there, finds others, and leaves it again', async () => {
  await using _front = await network('front');
  await using _back = await network('back');
  await using web = await start('web', '--network', 'front');
  await using db = await start('db', '--network', 'back');
  expect(await web.ask(reaches('db'))).toBe('no\n');
  await tsrun.ok('network', 'connect', '--alias', 'www', 'back', 'web');
  expect(await web.ask('ls /sys/class/net')).toBe('eth0\neth1\nlo\n');
  // No neighbour on the new network may become its router, nor that of the host (CVE-2020-13401).
  expect(await web.ask('cat /proc/sys/net/ipv6/conf/eth1/accept_ra')).toBe('0\n');
  expect(await web.ask(reaches('db'))).toBe('yes\n');
  expect(await db.ask(reaches('web'))).toBe('yes\n');
  expect(await db.ask(reaches('www.back'))).toBe('yes\n');
  const [shown] = JSON.parse(await tsrun.ok('network', 'inspect', 'back'));
  expect(
    Object.values<{ Name: string }>(shown.Containers)
      .map(({ Name }) => Name)
      .toSorted(),
  ).toEqual(['db', 'web']);
  const again = await tsrun.run('network', 'connect', 'back', 'web');
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('it is on network back already')]);
  await tsrun.ok('network', 'disconnect', 'back', 'web');
  expect(await web.ask('ls /sys/class/net')).toBe('eth0\nlo\n');
  expect(await db.ask(reaches('web'))).toBe('no\n');
  expect(await web.ask(reaches('db'))).toBe('no\n');
});

test.each(['bridge', 'none'])(
  'a container of network %s finds others by name once it joins them',
  { timeout: 60_000 * SLOWNESS },
  async (mode) => {
    await using _front = await network('front');
    await using _back = await network('back');
    await using db = await start('db', '--network', 'front');
    // The resolver outside is none: nobody has to wait for its silence.
    await using web = await start('web', '--network', mode, '--dns', '127.0.0.1');
    const before = await web.ask('cat /etc/resolv.conf');
    expect(before).not.toContain('127.0.0.11');
    expect(await web.ask(reaches('db'))).toBe('no\n');
    await tsrun.ok('network', 'connect', 'front', 'web');
    expect(await web.ask('cat /etc/resolv.conf')).toContain('nameserver 127.0.0.11\n');
    expect(await web.ask(reaches('db'))).toBe('yes\n');
    expect(await db.ask(reaches('web'))).toBe('yes\n');
    // One server for all networks, and only what leaves the last one with names takes it out of use.
    await tsrun.ok('network', 'connect', 'back', 'web');
    await tsrun.ok('network', 'disconnect', 'back', 'web');
    expect(await web.ask(reaches('db'))).toBe('yes\n');
    await tsrun.ok('network', 'disconnect', 'front', 'web');
    expect(await web.ask('cat /etc/resolv.conf')).toBe(before);
    await tsrun.ok('network', 'connect', 'front', 'web');
    expect(await web.ask(reaches('db'))).toBe('yes\n');
  },
);

test('a container starts on several networks, each with its own names and address, and is shown as Docker shows it', {
  timeout: 60_000 * SLOWNESS,
}, async () => {
  await using _inner = await network('--internal', 'inner');
  await using _front = await network('--subnet', '10.89.0.0/24', 'front');
  await using db = await start('db', '--network', 'inner');
  await using peer = await start('peer', '--network', 'front');
  const [{ Id: front }] = JSON.parse(await tsrun.ok('network', 'inspect', 'front'));
  {
    await using web = await start(
      'web',
      ...['--hostname', 'web.example', '--network', 'inner', '--network-alias', 'www'],
      ...[
        '--network',
        `name=${front.slice(0, 12)},alias=api,alias=v1,ip=10.89.0.77,mac-address=02:42:00:00:00:77`,
      ],
      ...['-p', '127.0.0.1:8085:80'],
    );
    for (const name of ['db', 'db.inner', 'peer.front'])
      expect(await web.ask(reaches(name)), name).toBe('yes\n');
    for (const name of ['web', 'www', 'web.example']) expect(await db.ask(reaches(name)), name).toBe('yes\n');
    for (const name of ['api', 'v1', 'web']) expect(await peer.ask(reaches(name)), name).toBe('yes\n');
    expect(await db.ask(reaches('api'))).toBe('no\n');
    expect((await web.ask("ip route | awk '/^default/ { print $5 }'")).trim()).toBe('eth1');
    expect(await web.ask('cat /proc/sys/net/ipv6/conf/eth1/accept_ra')).toBe('0\n');
    expect(await web.ask('nc -l -p 80 -e echo hello & sleep 0; echo')).toBe('\n');
    await expect
      .poll(() => spawnSync('bash', ['-c', 'cat </dev/tcp/127.0.0.1/8085'], { encoding: 'utf8' }).stdout)
      .toBe('hello\n');
    const [shown] = JSON.parse(await tsrun.ok('inspect', 'web'));
    expect(shown.HostConfig.NetworkMode).toBe('inner');
    const { inner, ...others } = shown.NetworkSettings.Networks;
    expect(others).toEqual({
      front: {
        IPAMConfig: { IPv4Address: '10.89.0.77' },
        Links: null,
        Aliases: ['api', 'v1'],
        DriverOpts: null,
        NetworkID: front,
        EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/),
        MacAddress: '02:42:00:00:00:77',
        Gateway: '10.89.0.1',
        IPAddress: '10.89.0.77',
        IPPrefixLen: 24,
        IPv6Gateway: '',
        GlobalIPv6Address: '',
        GlobalIPv6PrefixLen: 0,
        DNSNames: ['web', 'api', 'v1', shown.Id.slice(0, 12), 'web.example'],
      },
    });
    expect(inner).toMatchObject({ IPAMConfig: null, Aliases: ['www'], Gateway: '' });
    const [{ Containers }] = JSON.parse(await tsrun.ok('network', 'inspect', 'inner'));
    expect(Containers[shown.Id].EndpointID).toBe(inner.EndpointID);
    expect(inner.EndpointID).not.toBe(others.front.EndpointID);
    await tsrun.ok('network', 'disconnect', 'inner', 'web');
  }
  for (const name of ['web', 'api']) expect(await peer.ask(reaches(name))).toBe('no\n');
});

test('a network that is given twice, by name and by id, is refused, and nothing of the container is left', async () => {
  await using _front = await network('front');
  const [{ Id }] = JSON.parse(await tsrun.ok('network', 'inspect', 'front'));
  const flags = ['--network', 'front', '--network', Id.slice(0, 10)];
  const twice = await tsrun.run('run', '--rm', ...flags, 'busybox', 'true');
  expect([twice.code, twice.stderr]).toEqual([
    125,
    expect.stringContaining('Cannot use network front twice'),
  ]);
  // The address on the first one was taken by then.
  const second = ['--network', 'front', '--network', 'name=back,ip=192.0.2.1'];
  await using _back = await network('back');
  const wrong = await tsrun.run('run', '--rm', ...second, 'busybox', 'true');
  expect([wrong.code, wrong.stderr]).toEqual([
    125,
    expect.stringContaining('Cannot use the address 192.0.2.1 on network back'),
  ]);
  expect(readdirSync(join(tsrun.runRoot, 'networks', Id))).toEqual([]);
});

test('the default route moves to the next network that leads out', async () => {
  await using _front = await network('front');
  await using _inner = await network('--internal', 'inner');
  await using web = await start('web', '--network', 'inner');
  const route = async () => (await web.ask("ip route | awk '/^default/ { print $5 }'")).trim();
  expect(await route()).toBe('');
  await tsrun.ok('network', 'connect', '--ip', '172.18.0.77', 'front', 'web');
  expect(await route()).toBe('eth1');
  expect(await web.ask('ip -4 -o address show eth1')).toContain('172.18.0.77/16');
  await tsrun.ok('network', 'connect', 'bridge', 'web');
  expect(await route()).toBe('eth1');
  await tsrun.ok('network', 'disconnect', 'front', 'web');
  expect(await route()).toBe('eth2');
});

test('the address of a container that left can be given to another, and stays its own', async () => {
  await using _front = await network('--subnet', '10.89.0.0/30', 'front');
  await using web = await start('web', '--network', 'front');
  await tsrun.ok('network', 'disconnect', 'front', 'web');
  await using db = await start('db', '--network', 'front');
  expect(await db.ask('ip -4 -o address show eth0')).toContain('10.89.0.2/30');
  await web[Symbol.asyncDispose]();
  const full = await tsrun.run('run', '--rm', '--network', 'front', 'busybox', 'true');
  expect([full.code, full.stderr]).toEqual([
    125,
    expect.stringContaining('Cannot find an address on network front'),
  ]);
});

test('a container that joined and was killed leaves nothing once the next command has run', async () => {
  await using _front = await network('front');
  for (const end of ['container', 'helper']) {
    const web = await start('web');
    await tsrun.ok('network', 'connect', 'front', 'web');
    if (end === 'helper') web.child.kill('SIGKILL');
    await web[Symbol.asyncDispose]();
    await tsrun.ok('ps');
    const [shown] = JSON.parse(await tsrun.ok('network', 'inspect', 'front'));
    expect(readdirSync(join(tsrun.runRoot, 'networks', shown.Id))).toEqual([]);
    expect(readdirSync(tsrun.runRoot)).toEqual(['networks']);
  }
});

test('a network is dangling as long as no container was started on it or has joined it', async () => {
  await using _front = await network('front');
  await using _back = await network('back');
  await using _web = await start('web', '--network', 'front');
  const dangling = (value: boolean) =>
    tsrun.ok('network', 'ls', '--format', '{{.Name}}', '--filter', `dangling=${value}`);
  expect(await dangling(true)).toBe('back\n');
  expect(await dangling(false)).toBe('bridge\nfront\nhost\nnone\n');
  await tsrun.ok('network', 'connect', 'back', 'web');
  expect(await dangling(true)).toBe('');
});

test('disconnect --force does not mind a container that is not there, or not on the network', async () => {
  await using _web = await start('web');
  await using _front = await network('front');
  const left = (...words: string[]) => tsrun.run('network', 'disconnect', ...words);
  expect((await left('front', 'web')).stderr).toContain(
    'Cannot disconnect container web: it is not on network front',
  );
  expect(await left('-f', 'front', 'web')).toMatchObject({ code: 0, stderr: '' });
  expect(await left('--force', 'front', 'nobody')).toMatchObject({ code: 0, stderr: '' });
  expect(await left('-f', 'nowhere', 'web')).toMatchObject({ code: 1 });
});

test.each([
  [['connect', 'nowhere', 'web'], 'No such network: nowhere'],
  [['connect', 'bridge', 'nobody'], 'No such container: nobody'],
  [['connect', 'host', 'web'], 'Cannot connect to network host: it is always there as it is'],
  [['connect', 'bridge', 'web'], "Cannot connect container web: it is on the host's network"],
  [['disconnect', 'bridge', 'web'], "Cannot disconnect container web: it is on the host's network"],
])('%j is refused', async (words, message) => {
  await using _web = await start('web', '--network', 'host');
  const { code, stderr } = await tsrun.run('network', ...words);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
