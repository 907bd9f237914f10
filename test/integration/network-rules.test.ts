/**
 * The rules as packets meet them: bridges and the namespaces behind them are made by hand here, the rules are tsrun's.
 *
 *     outside 203.0.113.2 ── 203.0.113.1 host ─┬─ tsrun7 10.7.0.1 ─┬─ web    10.7.0.2
 *                                              │                   └─ friend 10.7.0.3
 *                                              ├─ tsrun8 10.8.0.1 ─── other  10.8.0.2
 *                                              └─ tsrun9 10.9.0.1 ─── inner  10.9.0.2, an internal network
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { NETLINK_NETFILTER } from '../../src/kernel/netlink.ts';
import { sendNetlink } from '../../src/kernel/netlink-door.ts';
import { transaction } from '../../src/kernel/nftables.ts';
import { bindingsOf, type PublishedPort } from '../../src/network/published-port.ts';
import {
  addElements,
  baseRules,
  networkElements,
  portElements,
  removeElements,
} from '../../src/network/rules.ts';
import { ip, makeNetwork, makeOutside, type OtherNetwork } from '../support/network-host.ts';
import { SLOWNESS } from '../support/under-test.ts';

const PEER = join(import.meta.dirname, '../support/net-peer.ts');
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning', PEER];
const PORT = 80;

const made = new DisposableStack();
const hosts: Record<string, OtherNetwork> = {};

beforeAll(async () => {
  hosts.outside = made.use(await makeOutside());
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
  const web = { bridge: 'tsrun7', subnet: 7 };
  for (const { bridge, subnet } of [web, { bridge: 'tsrun8', subnet: 8 }, { bridge: 'tsrun9', subnet: 9 }]) {
    ip('link', 'add', bridge, 'up', 'type', 'bridge');
    ip('address', 'add', `10.${subnet}.0.1/24`, 'dev', bridge);
    ip('address', 'add', `fd00:${subnet}::1/64`, 'dev', bridge, 'nodad');
    writeFileSync(`/proc/sys/net/ipv4/conf/${bridge}/route_localnet`, '1');
  }
  hosts.web = await makeContainer('web', 7, 2);
  hosts.friend = await makeContainer('friend', 7, 3);
  hosts.other = await makeContainer('other', 8, 2);
  hosts.inner = await makeContainer('inner', 9, 2);
  // The kernel looks for duplicates of link-local addresses, and until then does not ask for neighbours of these bridges.
  const tentative = ['-6', 'address', 'show', 'tentative'];
  await vi.waitUntil(() => execFileSync('ip', tentative, { encoding: 'utf8' }) === '', {
    timeout: 10_000 * SLOWNESS,
  });
  made.use(await serve('web'));
  made.use(await serve('other'));
  made.use(await serve('outside'));
  // Somebody else's rules: they have to be there, unchanged, in the end.
  execFileSync('nft', [
    'add table ip somebody; add chain ip somebody c { type nat hook prerouting priority -100; }',
  ]);
  send(baseRules());
  for (const network of [
    { name: 'seven', bridge: 'tsrun7', internal: false },
    { name: 'eight', bridge: 'tsrun8', internal: false },
    { name: 'nine', bridge: 'tsrun9', internal: true },
  ])
    send(addElements(networkElements(network)));
  publish({ hostPort: 8080, containerPort: PORT, protocol: 'tcp' });
  publish({ hostPort: 8080, containerPort: PORT, protocol: 'udp' });
  publish({ hostAddress: '127.0.0.1', hostPort: 8081, containerPort: PORT, protocol: 'tcp' });
  publish({ hostAddress: '203.0.113.1', hostPort: 8082, containerPort: PORT, protocol: 'tcp' });
});

afterAll(() => made.dispose());

async function makeContainer(name: string, subnet: number, host: number): Promise<OtherNetwork> {
  const network = made.use(await makeNetwork());
  ip(
    ...['link', 'add', `tsr-${name}`, 'up', 'master', `tsrun${subnet}`, 'type', 'veth'].concat([
      'peer',
      'name',
      'eth0',
      'netns',
      `${network.pid}`,
    ]),
  );
  ip('link', 'set', `tsr-${name}`, 'type', 'bridge_slave', 'hairpin', 'on');
  network.run('ip', 'link', 'set', 'eth0', 'up');
  network.run('ip', 'address', 'add', `10.${subnet}.0.${host}/24`, 'dev', 'eth0');
  network.run('ip', 'address', 'add', `fd00:${subnet}::${host}/64`, 'dev', 'eth0', 'nodad');
  network.run('ip', 'route', 'add', 'default', 'via', `10.${subnet}.0.1`);
  network.run('ip', '-6', 'route', 'add', 'default', 'via', `fd00:${subnet}::1`);
  return network;
}

/** `host` is this namespace itself. */
const enter = (who: string) => hosts[who]?.enter ?? [];

async function serve(who: string): Promise<Disposable> {
  const [program = '', ...args] = [...enter(who), ...NODE, 'serve', who, `${PORT}`];
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  return { [Symbol.dispose]: () => server.kill('SIGKILL') };
}

function send(messages: Parameters<typeof transaction>[0]): void {
  sendNetlink({ protocol: NETLINK_NETFILTER }, transaction(messages), 'set rules');
}

const elementsOf = (port: PublishedPort) => portElements('web', bindingsOf(port, ['10.7.0.2', 'fd00:7::2']));

function publish(port: PublishedPort): void {
  send(addElements(elementsOf(port)));
}

/** What `who` hears from there. */
function ask(who: string, to: string, port = PORT, protocol: 'tcp' | 'udp' = 'tcp'): string {
  const [program = '', ...args] = [...enter(who), ...NODE, 'ask', protocol, to, `${port}`];
  return execFileSync(program, args, { encoding: 'utf8' }).trim();
}

/** Packets that came as far as the rule with this comment. */
function dropped(comment: RegExp): number {
  const table = execFileSync('nft', ['list', 'table', 'inet', 'tsrun'], { encoding: 'utf8' });
  const line = table.split('\n').find((text) => comment.test(text)) ?? '';
  return Number(/packets (\d+)/.exec(line)?.[1]);
}

describe('a published port', () => {
  test('is reached from outside, and the container sees who asks', () => {
    expect(ask('outside', '203.0.113.1', 8080)).toBe('web saw 203.0.113.2');
    expect(ask('outside', '203.0.113.1', 8080, 'udp')).toBe('web saw 203.0.113.2');
    expect(ask('outside', '2001:db8::1', 8080)).toBe('web saw 2001:db8::2');
    expect(ask('outside', '2001:db8::1', 8080, 'udp')).toBe('web saw 2001:db8::2');
  });

  test('is reached from the host, at loopback and at its other addresses', () => {
    expect(ask('host', '127.0.0.1', 8080)).toBe('web saw 10.7.0.1');
    expect(ask('host', '127.0.0.1', 8080, 'udp')).toBe('web saw 10.7.0.1');
    expect(ask('host', '203.0.113.1', 8080)).toBe('web saw 203.0.113.1');
    expect(ask('host', '2001:db8::1', 8080)).toBe('web saw 2001:db8::1');
  });

  test('is refused at once at ::1, where no answer could come from', () => {
    expect(ask('host', '::1', 8080)).toBe('refused');
  });

  // With br_netfilter a frame between two ports of a bridge meets the rules as well, and is not routed.
  test.each([0, 1])('is reached by containers, bridge-nf-call-iptables=%i', (setting) => {
    for (const family of ['iptables', 'ip6tables']) {
      const file = `/proc/sys/net/bridge/bridge-nf-call-${family}`;
      if (existsSync(file)) writeFileSync(file, `${setting}`);
    }
    expect(ask('friend', '203.0.113.1', 8080)).toMatch(/^web saw 10.7.0.[13]$/);
    expect(ask('friend', '10.7.0.1', 8080, 'udp')).toMatch(/^web saw 10.7.0.[13]$/);
    expect(ask('web', '203.0.113.1', 8080)).toBe('web saw 10.7.0.1');
    expect(ask('other', '203.0.113.1', 8080)).toBe('web saw 10.8.0.2');
    expect(ask('friend', '2001:db8::1', 8080)).toMatch(/^web saw fd00:7::[13]$/);
    expect(ask('web', '2001:db8::1', 8080)).toBe('web saw fd00:7::1');
    expect(ask('other', '2001:db8::1', 8080)).toBe('web saw fd00:8::2');
  });

  test('at one address is not there at the others', () => {
    expect(ask('host', '127.0.0.1', 8081)).toBe('web saw 10.7.0.1');
    expect(ask('host', '203.0.113.1', 8081)).toBe('refused');
    expect(ask('outside', '203.0.113.1', 8081)).toBe('refused');
    expect(ask('outside', '203.0.113.1', 8082)).toBe('web saw 203.0.113.2');
    expect(ask('host', '127.0.0.1', 8082)).toBe('refused');
  });

  test('is gone when its elements are, and removing them again is no error', () => {
    const port: PublishedPort = { hostPort: 8090, containerPort: PORT, protocol: 'tcp' };
    publish(port);
    expect(ask('outside', '203.0.113.1', 8090)).toBe('web saw 203.0.113.2');
    send(removeElements(elementsOf(port)));
    expect(ask('outside', '203.0.113.1', 8090)).toBe('refused');
    send(removeElements(elementsOf(port)));
  });
});

describe('a container', () => {
  test('reaches the outside with the address of the host', () => {
    expect(ask('friend', '203.0.113.2')).toBe('outside saw 203.0.113.1');
    expect(ask('friend', '203.0.113.2', PORT, 'udp')).toBe('outside saw 203.0.113.1');
    expect(ask('friend', '2001:db8::2')).toBe('outside saw 2001:db8::1');
  });

  test('reaches its neighbours under their own addresses', () => {
    expect(ask('friend', '10.7.0.2')).toBe('web saw 10.7.0.3');
    expect(ask('friend', 'fd00:7::2')).toBe('web saw fd00:7::3');
    expect(ask('host', '10.7.0.2')).toBe('web saw 10.7.0.1');
  });

  test('does not reach another network', () => {
    const before = dropped(/from other networks/);
    expect(ask('friend', '10.8.0.2')).toBe('nothing');
    expect(ask('other', 'fd00:7::2')).toBe('nothing');
    expect(dropped(/from other networks/)).toBeGreaterThan(before);
  });

  test('on an internal network reaches nothing else, and only its host reaches it', () => {
    for (const to of ['203.0.113.2', '10.7.0.2', '2001:db8::2']) expect(ask('inner', to)).toBe('nothing');
    expect(dropped(/no way out/)).toBeGreaterThan(0);
    expect(ask('other', '10.9.0.2')).toBe('nothing');
    expect(ask('host', '10.9.0.2')).toBe('refused');
  });

  test('does not reach what listens on loopback of the host (CVE-2020-8558)', async () => {
    using _server = await serve('host');
    hosts.web?.run(
      'sh',
      '-c',
      'ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 10.7.0.1 dev eth0 src 10.7.0.2',
    );
    hosts.web?.run('sysctl', '-q', '-w', 'net.ipv4.conf.all.route_localnet=1');
    expect(ask('web', '127.0.0.1')).toBe('nothing');
    expect(dropped(/loopback only/)).toBeGreaterThan(0);
  });
});

test('from outside, the address of a container is not reached', () => {
  hosts.outside?.run('ip', 'route', 'add', '10.7.0.0/24', 'via', '203.0.113.1');
  hosts.outside?.run('ip', '-6', 'route', 'add', 'fd00:7::/64', 'via', '2001:db8::1');
  expect(ask('outside', '10.7.0.2')).toBe('nothing');
  expect(ask('outside', 'fd00:7::2')).toBe('nothing');
});

test("other tools' tables are as they were", () => {
  expect(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })).toBe(
    'table ip somebody\ntable inet tsrun\n',
  );
});
