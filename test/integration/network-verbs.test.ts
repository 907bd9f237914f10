/** `tsrun network …`: what is made on disk and on the host, and what is said about it. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ip } from '../support/network-host.ts';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: 'own' });

interface Inspected {
  readonly Name: string;
  readonly Id: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: { readonly Config: readonly Readonly<Record<string, string>>[] };
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

async function inspect(name: string): Promise<Inspected> {
  const [found] = JSON.parse(await tsrun.ok('network', 'inspect', name)) as Inspected[];
  if (found === undefined) throw new Error(name);
  return found;
}

interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

function links(): readonly Link[] {
  return (JSON.parse(ip('-json', 'address', 'show', 'type', 'bridge')) as Link[]).filter(
    ({ ifname }) => ifname,
  );
}

test('the word alone lists what can be done with networks', async () => {
  const shown = await tsrun.ok('network');
  expect(shown).toMatch(/^Usage: tsrun network COMMAND/);
  expect(shown.match(/^ {2}\w+/gm)?.map((line) => line.trim())).toEqual([
    ...['connect', 'create', 'disconnect', 'ls', 'inspect', 'rm', 'prune'],
  ]);
  for (const words of [
    ['network', '--help'],
    ['help', 'network'],
  ])
    expect(await tsrun.ok(...words)).toBe(shown);
  expect(await tsrun.ok('container')).toMatch(/^ {2}ls +List containers$/m);
});

test('a network is made, shown and removed, with its bridge', async () => {
  const id = (await tsrun.ok('network', 'create', 'front')).trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  const shown = await inspect('front');
  expect(shown).toMatchObject({
    Name: 'front',
    Id: id,
    Driver: 'bridge',
    Internal: false,
    EnableIPv6: false,
  });
  const [config] = shown.IPAM.Config;
  const [link] = links();
  expect(link?.ifname).toBe(`tsr-${id.slice(0, 11)}`);
  expect(link?.flags).toContain('UP');
  expect(readFileSync(`/proc/sys/net/ipv6/conf/${link?.ifname}/accept_ra`, 'utf8')).toBe('0\n');
  expect(
    link?.addr_info
      .filter(({ scope }) => scope === 'global')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  ).toEqual([`${config?.Gateway}/16`]);
  expect(await tsrun.ok('network', 'inspect', id.slice(0, 12))).toContain(id);
  expect(await tsrun.ok('network', 'rm', 'front')).toBe('front\n');
  expect(links()).toEqual([]);
  const { code, stderr } = await tsrun.run('network', 'inspect', 'front');
  expect([code, stderr]).toEqual([1, expect.stringContaining('No such network: front')]);
});

test('a network is made as it was asked for', async () => {
  await tsrun.ok(
    ...[
      'network',
      'create',
      '--subnet',
      '10.89.0.0/24',
      '--gateway',
      '10.89.0.254',
      '--ip-range',
      '10.89.0.128/25',
    ],
    ...['--subnet', 'fd00:89::/64', '--internal', '--label', 'of=test', '--label', 'plain'],
    ...['-o', 'com.docker.network.driver.mtu=1400', '-o', 'com.docker.network.bridge.name=br-own', 'back'],
  );
  const shown = await inspect('back');
  expect(shown.IPAM.Config).toEqual([
    { Subnet: '10.89.0.0/24', Gateway: '10.89.0.254', IPRange: '10.89.0.128/25' },
    { Subnet: 'fd00:89::/64', Gateway: 'fd00:89::1' },
  ]);
  expect(shown).toMatchObject({ Internal: true, EnableIPv6: true, Labels: { of: 'test', plain: '' } });
  const [link] = links();
  expect([link?.ifname, link?.mtu]).toEqual(['br-own', 1400]);
  expect(link?.addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local)).toEqual([
    '10.89.0.254',
    'fd00:89::1',
  ]);
  await tsrun.ok('network', 'rm', 'back');
});

test('networks do not overlap, and the error names the other one', async () => {
  await tsrun.ok('network', 'create', 'a');
  await tsrun.ok('network', 'create', 'b');
  const subnet = async (name: string) => (await inspect(name)).IPAM.Config[0]?.Subnet ?? '';
  const [a, b, bridge] = [await subnet('a'), await subnet('b'), await subnet('bridge')];
  expect(new Set([a, b, bridge]).size).toBe(3);
  const inA = a.replace(/\.0\.0\/16$/, '.7.0/24');
  const refused = await tsrun.run('network', 'create', '--subnet', inA, 'c');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`Cannot use the subnet ${inA}: it overlaps with ${a}, network a`);
  ip('link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'nowhere');
  ip('address', 'add', '10.77.0.1/16', 'dev', 'wan');
  const host = await tsrun.run('network', 'create', '--subnet', '10.77.3.0/24', 'c');
  expect(host.stderr).toContain('it overlaps with 10.77.0.0/16, which an interface of this host has');
  ip('link', 'del', 'wan');
  await tsrun.ok('network', 'rm', 'a', 'b');
});

test('10 networks made at the same time have 10 subnets', async () => {
  const names = Array.from({ length: 10 }, (_, i) => `many-${i}`);
  await Promise.all(names.map((name) => tsrun.ok('network', 'create', name)));
  const all = JSON.parse(await tsrun.ok('network', 'inspect', ...names)) as Inspected[];
  expect(new Set(all.map(({ IPAM }) => IPAM.Config[0]?.Subnet)).size).toBe(10);
  expect(links().length).toBe(10);
  await tsrun.ok('network', 'rm', ...names);
});

test('ls shows all, those that are always there among them, and filters', async () => {
  await tsrun.ok('network', 'create', '--label', 'of=test', 'front');
  const table = await tsrun.ok('network', 'ls');
  expect(table.split('\n').map((line) => line.replace(/^\S{12} {3}/, '').replace(/ +/g, ' '))).toEqual([
    'NETWORK ID NAME DRIVER SCOPE',
    'bridge bridge local',
    'front bridge local',
    'host host local',
    'none null local',
    '',
  ]);
  const ids = async (...words: string[]) =>
    (await tsrun.ok('network', 'ls', '-q', '--no-trunc', ...words)).trim().split('\n');
  const { Id } = await inspect('front');
  expect(await ids('--filter', 'name=ron')).toEqual([Id]);
  expect(await ids('--filter', 'label=of=test')).toEqual([Id]);
  expect(await ids('--filter', 'type=custom', '--filter', 'driver=bridge')).toEqual([Id]);
  expect((await ids()).length).toBe(4);
  expect(await tsrun.ok('network', 'ls', '--format', '{{.Name}} {{.Labels}}', '--filter', 'label=of')).toBe(
    'front of=test\n',
  );
  expect(await tsrun.ok('network', 'inspect', '-f', '{{.Driver}} {{.Internal}}', 'front')).toBe(
    'bridge false\n',
  );
  expect((await tsrun.run('network', 'ls', '--filter', 'colour=red')).code).toBe(125);
  await tsrun.ok('network', 'rm', 'front');
});

test.each([
  [['network', 'create', '-d', 'overlay', 'x'], 'there is no network driver "overlay": networks are bridges'],
  [['network', 'create', 'no/name'], 'Cannot name a network "no/name"'],
  [['network', 'create', 'host'], 'Cannot name a network "host": that name has a meaning of its own'],
  [
    ['network', 'create', '-o', 'parent=eth0', 'x'],
    'Cannot use the option parent: bridges have none of that name',
  ],
  [['network', 'create', '-o', 'mtu=20', 'x'], 'Cannot use the MTU "20": it is 68 to 65535 bytes'],
  [
    ['network', 'create', '-o', 'com.docker.network.bridge.name=lo', 'x'],
    'Cannot name a bridge lo: the host has a link of that name',
  ],
  [['network', 'rm', 'bridge'], 'Cannot remove network bridge: it is always there'],
  [['network', 'rm', 'none'], 'Cannot remove network none: it is always there as it is'],
  [['network', 'rm', 'nobody'], 'No such network: nobody'],
])('%j is refused', async (words, message) => {
  const { code, stdout, stderr } = await tsrun.run(...words);
  expect(stderr).toContain(message);
  expect([stdout, code > 0]).toEqual(['', true]);
  expect(links()).toEqual([]);
});

test('a name is taken once', async () => {
  await tsrun.ok('network', 'create', 'front');
  const { code, stderr } = await tsrun.run('network', 'create', 'front');
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('Cannot create network front: there is one already'),
  ]);
  await tsrun.ok('network', 'rm', 'front');
  expect(await tsrun.ok('network', 'rm', '-f', 'front')).toBe('');
});

test('prune asks, and removes what no container needs', async () => {
  await tsrun.ok('network', 'create', 'a');
  await tsrun.ok('network', 'create', '--label', 'keep', 'b');
  const asked = await tsrun.runWith({ stdin: 'n\n' }, 'network', 'prune');
  expect(asked.stdout).toContain('Are you sure you want to continue? [y/N]');
  expect(links().length).toBe(2);
  expect(await tsrun.ok('network', 'prune', '-f', '--filter', 'label=keep')).toBe('Deleted Networks:\nb\n');
  expect((await tsrun.runWith({ stdin: 'y\n' }, 'network', 'prune')).stdout).toContain(
    'Deleted Networks:\na\n',
  );
  expect(links()).toEqual([]);
});

test(
  'create and rm that are killed at any moment leave nothing that the next command does not remove',
  async () => {
    for (let i = 0; i < 16; i++) {
      const words = i % 2 === 0 ? ['create'] : ['rm', '-f'];
      const child = tsrun.start('network', ...words, 'front');
      await delay((100 + i * 40) * SLOWNESS);
      child.kill('SIGKILL');
      if (child.exitCode === null) await once(child, 'exit');
    }
    await tsrun.ok('network', 'rm', '-f', 'front');
    // Removing what is not there takes no lock; making something does.
    await tsrun.ok('network', 'create', 'last');
    await tsrun.ok('network', 'rm', 'last');
    expect(links()).toEqual([]);
    expect(readdirSync(join(tsrun.dataRoot, 'networks')).filter((name) => name !== 'bridge.json')).toEqual(
      [],
    );
  },
  60_000 * SLOWNESS,
);
