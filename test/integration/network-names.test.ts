/** Containers that find each other by name, and networks that are kept apart. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOutside, type OtherNetwork } from '../support/network-host.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['debian', 'busybox'] });

let outside: OtherNetwork & { readonly address: string };
let resolver: ChildProcess;

/** The resolver lies outside of the host; /etc/resolv.conf of the machine names another, so each container is told. */
beforeAll(async () => {
  outside = await makeOutside();
  const [program, ...args] = [
    ...outside.enter,
    ...[
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--no-resolv',
      '--no-hosts',
      '--user=root',
    ],
    ...['--pid-file=', '--host-record=outside.example,192.0.2.7', '--local=/#/'],
  ];
  resolver = spawn(program as string, args, { stdio: 'inherit' });
});
afterAll(async () => {
  resolver.kill();
  await once(resolver, 'exit');
  outside[Symbol.dispose]();
});

interface Container extends AsyncDisposable {
  readonly name: string;
}

/** A container that waits. The disposal ends it. */
async function start(name: string, ...flags: string[]): Promise<Container> {
  const child = tsrun.start(
    'run',
    '--rm',
    '--name',
    name,
    ...flags,
    'busybox',
    'sh',
    '-c',
    'echo ready; exec sleep 60',
  );
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  const ready = once(child.stdout as NodeJS.ReadableStream, 'data').then(() => 'ready');
  const first = await Promise.race([ready, once(child, 'exit').then(() => errors)]);
  expect(first).toBe('ready');
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      await tsrun.run('kill', name);
      if (child.exitCode === null) await once(child, 'exit');
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

/** What a program prints in a container of its own on the given networks. */
function on(name: string, ...command: string[]) {
  return tsrun.run('run', '--rm', '--network', name, '--dns', outside.address, 'debian:bookworm', ...command);
}

async function address(name: string, family = 'IPAddress'): Promise<string> {
  const [shown] = JSON.parse(await tsrun.ok('inspect', name));
  const [endpoint] = Object.values(shown.NetworkSettings.Networks) as Readonly<Record<string, string>>[];
  return endpoint?.[family] ?? '';
}

async function pidOf(name: string): Promise<number> {
  const [shown] = JSON.parse(await tsrun.ok('inspect', name));
  return shown.State.Pid;
}

describe('on a network of its own', () => {
  test('a container is found by its name, its aliases, its short id, and by address', async () => {
    await using _front = await network('--ipv6', 'front');
    await using web = await start(
      'web',
      '--network',
      'front',
      '--network-alias',
      'db',
      '--network-alias',
      'db.example',
    );
    const [shown] = JSON.parse(await tsrun.ok('inspect', web.name));
    const [ipv4, ipv6] = [await address('web'), await address('web', 'GlobalIPv6Address')];
    const names = ['web', 'db', 'db.example', shown.Id.slice(0, 12), 'web.front', 'WEB'];
    const script = `
      for name in ${names.join(' ')}; do getent ahostsv4 $name | awk '{ print $1; exit }'; done
      getent hosts web ${ipv4} ${ipv6} | awk '{ print $1, $2 }'
      getent hosts nobody || echo $?`;
    expect((await on('front', 'sh', '-c', script)).stdout.trim().split('\n')).toEqual([
      ...names.map(() => ipv4),
      ...[`${ipv6} web`, `${ipv4} web.front`, `${ipv6} web.front`, '2'],
    ]);
    expect((await on('front', 'cat', '/etc/resolv.conf')).stdout).toMatch(
      /^nameserver 127\.0\.0\.11\n(search .*\n)?options .*ndots:0\n$/,
    );
  });

  test('containers with the same alias take turns', async () => {
    await using _front = await network('front');
    await using _a = await start('web-1', '--network', 'front', '--network-alias', 'web');
    await using _b = await start('web-2', '--network', 'front', '--network-alias', 'web');
    const script =
      'for i in 1 2 3 4; do nslookup -type=a web 127.0.0.11 | grep ^Address | tail -n 2 | head -n 1; done';
    const { stdout } = await tsrun.run('run', '--rm', '--network', 'front', 'busybox', 'sh', '-c', script);
    const first = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1]);
    expect(first.length).toBe(4);
    expect(new Set(first.slice(0, 2))).toEqual(new Set([await address('web-1'), await address('web-2')]));
    expect(first.slice(2)).toEqual(first.slice(0, 2));
  });

  test('other names are asked of the resolver outside', async () => {
    await using _front = await network('front');
    expect((await on('front', 'getent', 'ahostsv4', 'outside.example')).stdout).toContain('192.0.2.7');
    expect((await on('front', 'getent', 'hosts', 'nowhere.example')).code).toBe(2);
  });

  test('a container that has ended is not found any more, also when its helper was killed', async () => {
    await using _front = await network('front');
    {
      await using _web = await start('web', '--network', 'front');
      expect((await on('front', 'getent', 'hosts', 'web')).code).toBe(0);
    }
    expect((await on('front', 'getent', 'hosts', 'web')).code).toBe(2);
    const child = tsrun.start(
      'run',
      '--rm',
      '--name',
      'web',
      '--network',
      'front',
      'busybox',
      'sh',
      '-c',
      'echo; sleep 60',
    );
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    expect((await on('front', 'getent', 'hosts', 'web')).code).toBe(0);
    const [{ Id }] = JSON.parse(await tsrun.ok('inspect', 'web'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    // The next command sweeps what the dead helper left.
    await tsrun.ok('ps');
    expect((await on('front', 'getent', 'hosts', 'web')).code).toBe(2);
    expect(Id).toMatch(/^[0-9a-f]{64}$/);
  });

  test('a program inside may have port 53 of all addresses for itself, over UDP and TCP', async () => {
    await using _front = await network('front');
    await using _web = await start('web', '--network', 'front');
    const inside = ['nsenter', `--net=/proc/${await pidOf('web')}/ns/net`, '--'] as const;
    const options = ['--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--user=root', '--pid-file='];
    const [program, ...args] = inside;
    const server = spawn(
      program,
      [...args, 'dnsmasq', '--keep-in-foreground', ...options, '--host-record=own.example,192.0.2.9'],
      { stdio: 'inherit' },
    );
    const dig = (...words: string[]) =>
      spawnSync(program, [...args, 'dig', '+short', '+tries=1', '+time=2', ...words], {
        encoding: 'utf8',
      }).stdout.trim();
    while (dig('@127.0.0.1', 'own.example') !== '192.0.2.9') expect(server.exitCode).toBeNull();
    for (const protocol of ['+notcp', '+tcp']) {
      expect(dig(protocol, '@127.0.0.1', 'own.example')).toBe('192.0.2.9');
      expect(dig(protocol, '@127.0.0.11', 'web')).toBe(await address('web'));
    }
    server.kill();
    await once(server, 'exit');
  });

  test('the DNS server goes with the container', async () => {
    await using _front = await network('front');
    {
      await using _web = await start('web', '--network', 'front');
      expect(servers().length).toBe(1);
    }
    while (servers().length > 0) await delay(5);
  });
});

function servers(): readonly string[] {
  const root = join(tsrun.runRoot, 'networks');
  const { readdirSync, readlinkSync } = process.getBuiltinModule('node:fs');
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) &&
        readlinkSync(`/proc/${pid}/root`) === root &&
        readFileSync(`/proc/${pid}/comm`, 'utf8') === 'tsrun-dns\n'
      );
    } catch {
      return false;
    }
  });
}

describe('networks', () => {
  test('are kept apart: no name and no packet gets from one to the other', async () => {
    await using _front = await network('front');
    await using _back = await network('back');
    await using _web = await start('web', '--network', 'front');
    const there = await address('web');
    const ping = async (name: string) =>
      (await tsrun.run('run', '--rm', '--network', name, 'busybox', 'ping', '-c', '1', '-W', '1', there))
        .code;
    expect([await ping('front'), await ping('back'), await ping('bridge')]).toEqual([0, 1, 1]);
    expect((await on('front', 'getent', 'hosts', 'web')).code).toBe(0);
    expect((await on('back', 'getent', 'hosts', 'web')).code).toBe(2);
  });

  test('that are internal have no way out, not even by name', async () => {
    await using _front = await network('--internal', 'front');
    await using _web = await start('web', '--network', 'front');
    expect((await on('front', 'getent', 'ahostsv4', 'web')).stdout).toContain(await address('web'));
    expect((await on('front', 'getent', 'ahostsv4', 'outside.example')).code).toBe(2);
    const { code, stdout } = await tsrun.run(
      'run',
      '--rm',
      '--network',
      'front',
      'busybox',
      'sh',
      '-c',
      `ip route; ping -c 1 -W 1 ${outside.address}`,
    );
    expect(stdout).not.toContain('default');
    expect(code).toBe(1);
  });

  test('have the MTU that was asked for, and the bridge is made again when it is gone', async () => {
    await using _front = await network('-o', 'mtu=1400', 'front');
    const [{ Id }] = JSON.parse(await tsrun.ok('network', 'inspect', 'front'));
    const { ip } = await import('../support/network-host.ts');
    ip('link', 'del', `tsr-${Id.slice(0, 11)}`);
    const { stdout } = await tsrun.run(
      'run',
      '--rm',
      '--network',
      'front',
      'busybox',
      'cat',
      '/sys/class/net/eth0/mtu',
    );
    expect(stdout).toBe('1400\n');
    expect(ip('-json', 'link', 'show', `tsr-${Id.slice(0, 11)}`)).toContain('"UP"');
  });

  test('that containers are on are not removed, and the error names them', async () => {
    await using _front = await network('front');
    await using _web = await start('web', '--network', 'front');
    const { code, stderr } = await tsrun.run('network', 'rm', 'front');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('Cannot remove network front: container web is on it'),
    ]);
    expect(await tsrun.ok('network', 'prune', '-f')).toBe('');
    const [shown] = JSON.parse(await tsrun.ok('network', 'inspect', 'front'));
    expect(Object.values(shown.Containers)).toEqual([
      expect.objectContaining({ Name: 'web', IPv4Address: `${await address('web')}/16` }),
    ]);
  });

  test('that nobody made are an error', async () => {
    const { code, stderr } = await tsrun.run('run', '--rm', '--network', 'nowhere', 'busybox', 'true');
    expect([code, stderr]).toEqual([125, expect.stringContaining('No such network: nowhere')]);
    const alias = await tsrun.run('run', '--rm', '--network-alias', 'x', 'busybox', 'true');
    expect([alias.code, alias.stderr]).toEqual([
      125,
      expect.stringContaining('--network-alias needs --network'),
    ]);
  });
});
