/** The default bridge and the other values of --network, seen from inside the containers and from the host. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ip, makeOutside } from '../support/network-host.ts';
import { type Running, watch } from '../support/running.ts';
import { imageArchive, useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });

const inside = (script: string, ...flags: readonly string[]) =>
  tsrun.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

/** A container that runs until the test ends; what it prints first is waited for. */
async function up(script: string, ...flags: readonly string[]): Promise<Running> {
  const running = watch(
    tsrun.start('run', '--rm', '-i', ...flags, 'busybox', 'sh', '-c', `${script}; echo up; cat`),
  );
  await running.waitFor(/up\n/);
  onTestFinished(async () => {
    running.process.stdin?.end();
    await running.ended;
  });
  return running;
}

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Pid: number };
  readonly HostConfig: { readonly NetworkMode: string };
  readonly NetworkSettings: {
    readonly IPAddress: string;
    readonly Networks: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
  };
}

async function inspect(name: string): Promise<Inspected> {
  const [found] = JSON.parse(await tsrun.ok('inspect', name)) as Inspected[];
  if (found === undefined) throw new Error(`inspect found no ${name}`);
  return found;
}

const bridge = () =>
  JSON.parse(readFileSync(join(tsrun.dataRoot, 'networks/bridge.json'), 'utf8')) as {
    readonly id: string;
    readonly bridge: string;
    readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  };

const leases = () => readdirSync(join(tsrun.runRoot, 'networks', bridge().id));

describe('a container on the default network', () => {
  test('has an address of each family, a route out and the names that go with them', async () => {
    const out = await inside(
      'ip -o addr show eth0; ip route; ip -6 route | grep default; tail -n 2 /etc/hosts; hostname',
    );
    const [v4, v6] = bridge().subnets;
    const base = v4?.subnet.replace(/\.0\/16$/, '') ?? '';
    const prefix = v6?.subnet.replace(/\/64$/, '') ?? '';
    expect(out).toContain(`inet ${base}.2/16 `);
    expect(out).toContain(`inet6 ${prefix}2/64 `);
    expect(out).toContain(`default via ${v4?.gateway} dev eth0`);
    expect(out).toContain(`default via ${v6?.gateway} dev eth0`);
    const name = out.trim().split('\n').at(-1);
    expect(out).toContain(`\n${base}.2\t${name}\n${prefix}2\t${name}\n`);
    expect(leases()).toEqual([]);
  });

  test('reaches the host and another container at once, in both families', async () => {
    await up('true', '--name', 'other');
    const { Networks } = (await inspect('other')).NetworkSettings;
    const [v4, v6] = bridge().subnets;
    const addresses = [
      Networks.bridge?.IPAddress,
      Networks.bridge?.GlobalIPv6Address,
      v4?.gateway,
      v6?.gateway,
    ];
    const pings = `for address in ${addresses.join(' ')}; do ping -c 1 -W 1 $address | grep received; done`;
    expect(await inside(pings)).toBe(
      '1 packets transmitted, 1 packets received, 0% packet loss\n'.repeat(addresses.length),
    );
  });

  test('gets the frames that are for it, whoever claims its address', async () => {
    await up('true', '--name', 'known');
    const { Networks } = (await inspect('known')).NetworkSettings;
    const mac = Networks.bridge?.MacAddress;
    const ways = async () => {
      const { stdout } = await promisify(execFile)('bridge', ['-j', 'fdb', 'show', 'br', bridge().bridge]);
      const all = JSON.parse(stdout) as readonly {
        mac: string;
        ifname: string;
        state: string;
        master?: string;
      }[];
      return all.filter((way) => way.mac === mac && way.master !== undefined);
    };
    const before = await ways();
    // One, and another one for the VLAN of the port where the kernel knows VLANs.
    expect(new Set(before.map(({ state }) => state))).toEqual(new Set(['static']));
    const script = `ip link set eth0 address ${mac}; ping -c 1 -W 1 ${bridge().subnets[0]?.gateway}; true`;
    await inside(script, '--cap-add', 'NET_ADMIN');
    expect(await ways()).toEqual(before);
  });

  test('is reached by the host', async () => {
    await up('true', '--name', 'reached');
    const { IPAddress } = (await inspect('reached')).NetworkSettings;
    expect(await inside(`ping -c 1 -W 1 ${IPAddress}`, '--network', 'host')).toContain('1 packets received');
  });

  test('takes no route from a neighbour that says it is a router', async () => {
    expect(await inside('cat /proc/sys/net/ipv6/conf/eth0/accept_ra')).toBe('0\n');
    expect(readFileSync(`/proc/sys/net/ipv6/conf/${bridge().bridge}/accept_ra`, 'utf8')).toBe('0\n');
  });

  test('has the hardware address of its address, so that nobody remembers a wrong one', async () => {
    expect(await inside('cat /sys/class/net/eth0/address')).toMatch(/^02:42:ac:1[0-9a-f]:00:02\n$/);
  });

  test('loses its address when it ends, although somebody shares its network', async () => {
    const first = await up('true', '--name', 'first');
    const second = watch(
      tsrun.start(
        ...['run', '--rm', '-i', '--network', 'container:first', 'busybox', 'sh', '-c'],
        'echo up; read line; ip -o addr show eth0 | grep -c "scope global"; true',
      ),
    );
    await second.waitFor(/up\n/);
    first.process.stdin?.end();
    await first.ended;
    second.process.stdin?.end('\n');
    expect((await second.ended).stdout).toBe('up\n0\n');
  });
});

test('after kill -9 of its tsrun a container has no address any more, although somebody shares its network', async () => {
  const first = await up('true', '--name', 'first');
  const second = watch(
    tsrun.start(
      ...['run', '--rm', '-i', '--network', 'container:first', 'busybox', 'sh', '-c'],
      'echo up; read line; ls /sys/class/net',
    ),
  );
  await second.waitFor(/up\n/);
  first.process.kill('SIGKILL');
  await first.ended;
  await tsrun.ok('ps');
  second.process.stdin?.end('\n');
  expect((await second.ended).stdout).toBe('up\nlo\n');
});

test('fifty containers that start at the same time have fifty addresses', async () => {
  const starts = Array.from({ length: 50 }, () => up('ip -o -4 addr show eth0 | grep -o "inet [0-9.]*"'));
  const printed = await Promise.all((await Promise.all(starts)).map((running) => running.waitFor(/up\n/)));
  const addresses = printed.map((text) => /inet ([\d.]+)/.exec(text)?.[1]);
  expect(new Set(addresses).size).toBe(50);
  expect(addresses).not.toContain(undefined);
  expect(leases()).toHaveLength(100);
}, 120_000);

describe('--ip, --ip6 and --mac-address', () => {
  test('are what the container has', async () => {
    const [v4, v6] = bridge().subnets;
    const wanted = v4?.gateway.replace(/1$/, '77') ?? '';
    const wanted6 = v6?.gateway.replace(/1$/, '4d') ?? '';
    const out = await inside(
      'ip addr show eth0',
      '--ip',
      wanted,
      '--ip6',
      wanted6,
      '--mac-address',
      '02:00:00:00:00:AB',
    );
    expect(out).toContain(`inet ${wanted}/16`);
    expect(out).toContain(`inet6 ${wanted6}/64`);
    expect(out).toContain('link/ether 02:00:00:00:00:ab');
  });

  test('are refused when somebody has the address, and the holder is named', async () => {
    await up('true', '--name', 'holder');
    const { IPAddress } = (await inspect('holder')).NetworkSettings;
    const { code, stderr } = await tsrun.run('run', '--rm', '--ip', IPAddress, 'busybox', 'true');
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: `tsrun: Cannot use the address ${IPAddress} on network bridge: container holder has it\nhint: give another address, or none\n`,
    });
    expect(await tsrun.ok('ps', '-aq')).toHaveLength(13);
  });

  test.each([
    ['an address of another network', '192.0.2.1', /it is not in/],
    ['the address of the bridge', '172.17.0.1', /it is the address of the bridge/],
    ['the broadcast address', '172.17.255.255', /it does not stand for a single host/],
    ['no address', '172.17.0', /--ip takes an IPv4 address/],
  ])('refuse %s', async (_what, address, message) => {
    const { code, stderr } = await tsrun.run('run', '--rm', '--ip', address, 'busybox', 'true');
    expect(code).toBe(125);
    expect(stderr).toMatch(message);
  });

  test('leave nothing when the second address is refused', async () => {
    const { code } = await tsrun.run('run', '--rm', '--ip6', '2001:db8::1', 'busybox', 'true');
    expect(code).toBe(125);
    expect(leases()).toEqual([]);
  });
});

describe('--network container:NAME', () => {
  test('shares interfaces, names and resolvers with that container', async () => {
    const script = 'readlink /proc/self/ns/net; hostname; cat /etc/hosts /etc/resolv.conf';
    const one = await up(script, '--name', 'one', '--add-host', 'db:192.0.2.9', '--dns', '192.0.2.53');
    expect(await inside(script, '--network', 'container:one')).toBe(
      `${(await one.waitFor(/up/)).replace(/up\n$/, '')}`,
    );
    const mode = await up('true', '--name', 'two', '--network', 'container:one');
    expect((await inspect('two')).HostConfig.NetworkMode).toBe(`container:${(await inspect('one')).Id}`);
    mode.process.stdin?.end();
    await mode.ended;
  });

  test('reaches a server of that container on its loopback', async () => {
    await up('echo served >/tmp/x; httpd -p 127.0.0.1:80 -h /tmp', '--name', 'server');
    expect(await inside('wget -q -O - http://127.0.0.1/x', '--network', 'container:server')).toBe('served\n');
  });

  test('is refused when that container does not run', async () => {
    await tsrun.ok('run', '--name', 'over', 'busybox', 'true');
    const { code, stderr } = await tsrun.run('run', '--rm', '--network', 'container:over', 'busybox', 'true');
    await tsrun.ok('rm', 'over');
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr:
        'tsrun: Cannot share the network of container over: it is not running\nhint: a network lives as long as its container: start that one first\n',
    });
  });

  test.each([
    ['--ip', '172.17.0.9'],
    ['--dns', '192.0.2.1'],
    ['--hostname', 'x'],
    ['--add-host', 'a:192.0.2.1'],
  ])('does not go with %s', async (flag, value) => {
    const { code, stderr } = await tsrun.run(
      'run',
      '--network',
      'container:any',
      flag,
      value,
      'busybox',
      'true',
    );
    expect(code).toBe(125);
    expect(stderr).toContain(`${flag} cannot be used with --network container:any`);
  });
});

describe('names and resolvers', () => {
  test('--add-host adds lines, host-gateway among them', async () => {
    const out = await inside(
      'cat /etc/hosts',
      ...['--add-host', 'db:192.0.2.9', '--add-host', 'six=[2001:db8::5]', '--add-host', 'host:host-gateway'],
    );
    const [v4, v6] = bridge().subnets;
    expect(out).toContain(`192.0.2.9\tdb\n2001:db8::5\tsix\n${v4?.gateway}\thost\n${v6?.gateway}\thost\n`);
  });

  test('--dns, --dns-search and --dns-option replace what the host has', async () => {
    const flags = ['--dns', '192.0.2.53', '--dns-search', 'example', '--dns-option', 'ndots:3'];
    expect(await inside('cat /etc/resolv.conf', ...flags)).toBe(
      'nameserver 192.0.2.53\nsearch example\noptions ndots:3\n',
    );
  });

  test('--net and --dns-opt are what Docker calls --network and --dns-option too', async () => {
    const flags = ['--net', 'bridge', '--dns', '192.0.2.53', '--dns-opt', 'ndots:3'];
    expect(await inside('cat /etc/resolv.conf', ...flags)).toBe('nameserver 192.0.2.53\noptions ndots:3\n');
  });

  test.each([
    ['--add-host', 'a\nb:192.0.2.1'],
    ['--add-host', 'a:192.0.2.1\n192.0.2.2 bank'],
    ['--add-host', 'a'],
    ['--dns', '192.0.2.1\nsearch evil'],
    ['--dns-search', 'a\r'],
    ['--dns-option', 'a\nnameserver 192.0.2.1'],
    ['--hostname', 'a\nb'],
  ])('%s %j is refused', async (flag, value) => {
    expect(await tsrun.run('run', '--rm', flag, value, 'busybox', 'true')).toMatchObject({
      code: 125,
      stdout: '',
    });
  });
});

test('inspect shows addresses as Docker does, as long as the container runs', async () => {
  const running = await up('true', '--name', 'shown');
  const { NetworkSettings, HostConfig } = await inspect('shown');
  const [v4, v6] = bridge().subnets;
  expect(HostConfig.NetworkMode).toBe('bridge');
  expect(NetworkSettings.Networks.bridge).toMatchObject({
    NetworkID: bridge().id,
    IPAddress: v4?.gateway.replace(/1$/, '2'),
    IPPrefixLen: 16,
    Gateway: v4?.gateway,
    GlobalIPv6Address: v6?.gateway.replace(/1$/, '2'),
    GlobalIPv6PrefixLen: 64,
    IPv6Gateway: v6?.gateway,
  });
  running.process.stdin?.end();
  await running.ended;
  await tsrun.ok('run', '--name', 'ended', 'busybox', 'true');
  expect((await inspect('ended')).NetworkSettings).toMatchObject({
    IPAddress: '',
    Networks: { bridge: { IPAddress: '' } },
  });
  await tsrun.ok('rm', 'ended');
});

describe('the host', () => {
  test('has one bridge, whose addresses and number are those on record', async () => {
    await inside('true');
    const out = ip('-o', 'address', 'show', 'dev', bridge().bridge);
    for (const { gateway } of bridge().subnets) expect(out).toContain(` ${gateway}/`);
    expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')).toBe('1\n');
  });

  test('keeps the route that it has from a router, although it forwards now', async () => {
    using _outside = await makeOutside();
    writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '0');
    await inside('true');
    expect(readFileSync('/proc/sys/net/ipv6/conf/outside/accept_ra', 'utf8')).toBe('2\n');
    expect(readFileSync('/proc/sys/net/ipv6/conf/all/forwarding', 'utf8')).toBe('1\n');
    ip('link', 'del', 'outside');
  });

  test('can be without IPv6', async () => {
    const file = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
    writeFileSync(file, '1');
    onTestFinished(() => writeFileSync(file, '0'));
    expect(await inside('ip -o addr show eth0 | grep -c "scope global"; ip route | grep -c default')).toBe(
      '1\n1\n',
    );
  });
});

describe('another engine on the same host', () => {
  const other = useTsrun({ images: 'own' });
  beforeAll(async () => void (await other.ok('load', '-i', await imageArchive('busybox'))));

  test('has another bridge and another subnet, which is free on the host', async () => {
    await inside('true');
    ip('link', 'add', 'office', 'up', 'type', 'bridge');
    ip('address', 'add', '172.18.5.1/24', 'dev', 'office');
    onTestFinished(() => void ip('link', 'del', 'office'));
    expect(await other.ok('run', '--rm', 'busybox', 'sh', '-c', 'ip -o -4 addr show eth0')).toContain(
      '172.19.0.2/16',
    );
    expect(ip('-o', 'link', 'show', 'type', 'bridge')).toMatch(/ tsrun1:/);
  });
});

test('only a container with a network of its own loads the code for networks', async () => {
  const file = join(tsrun.scratch, 'opened');
  const opened = async (...flags: readonly string[]) => {
    const run = [PROGRAM, 'run', '--rm', ...flags, 'busybox', 'true'];
    await promisify(execFile)('strace', ['-e', 'trace=openat', '-o', file, ...run], {
      env: { ...process.env, ...tsrun.env },
    });
    return readFileSync(file, 'utf8');
  };
  const code = /(\/chunks\/network\.cjs|\/src\/kernel\/rtnetlink\.ts)"/;
  expect(await opened()).toMatch(code);
  for (const mode of ['none', 'host']) expect(await opened('--network', mode)).not.toMatch(code);
});
