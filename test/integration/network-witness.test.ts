/** Names asked by dig and getent, and networks watched by tcpdump: what programs see of user networks, and must not see. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ip, makeOutside, type OtherNetwork } from '../support/network-host.ts';
import { client, network, serve } from '../support/programs.ts';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['network'] });
const TIMEOUT_MS = 120_000 * SLOWNESS;

let outside: OtherNetwork & { readonly address: string };
let resolver: ChildProcess;

beforeAll(async () => {
  outside = await makeOutside();
  const tentative = ['ip', '-6', 'address', 'show', 'tentative'] as const;
  await vi.waitUntil(() => ip(...tentative.slice(1)) + outside.run(...tentative) === '', 10_000 * SLOWNESS);
  const [program = '', ...args] = [
    ...[...outside.enter, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv'],
    ...['--no-hosts', '--user=root', '--pid-file=', '--local=/#/', '--host-record=outside.example,192.0.2.7'],
  ];
  resolver = spawn(program, args, { stdio: 'inherit' });
  // The table of rules is made by the first container, and stays.
  await tsrun.ok('run', '--rm', 'network', 'true');
});
afterAll(async () => {
  resolver.kill();
  await once(resolver, 'exit');
  outside[Symbol.dispose]();
});

const WAIT = { script: 'echo up; cat', ready: /up/ };

describe('on a network of its own', { timeout: TIMEOUT_MS }, () => {
  /** What each command prints, in lines without their order where `dig` turns them. */
  async function ask(...commands: readonly string[]): Promise<readonly (readonly string[])[]> {
    const script = commands.map((command) => `${command}; echo --`).join('\n');
    const flags = ['--network', 'front', '--dns', outside.address];
    const { stdout } = await client(tsrun, { flags }, 'sh', '-c', script);
    return stdout
      .split('--\n')
      .slice(0, -1)
      .map((text) => text.trim().split('\n'));
  }

  test('names are answered to dig and getent: in turn, backwards, over TCP, and by the resolver outside', async () => {
    await network(tsrun, '--ipv6', 'front');
    const flags = ['--network', 'front', '--network-alias', 'web'];
    const one = await serve(tsrun, { name: 'one', flags, ...WAIT });
    const two = await serve(tsrun, { name: 'two', flags, ...WAIT });
    const reverse = one.ipv4.split('.').toReversed().join('.');
    const [first, second, tcp, six, back, back6, arpa, forwarded, forwardedTcp, hosts] = await ask(
      'dig +short web',
      'dig +short web',
      'dig +short +tcp web',
      'dig +short web AAAA',
      `dig +short -x ${two.ipv4}`,
      `dig +short -x ${two.ipv6}`,
      `dig +short ${reverse}.in-addr.arpa PTR`,
      'dig +short outside.example',
      'dig +short +tcp outside.example',
      "getent ahostsv4 web | awk '{ print $1 }' | sort -u",
    );
    const both = [one.ipv4, two.ipv4];
    expect(new Set([first?.[0], second?.[0]])).toEqual(new Set(both));
    for (const answer of [first, second, tcp, hosts]) expect(new Set(answer)).toEqual(new Set(both));
    expect(new Set(six)).toEqual(new Set([one.ipv6, two.ipv6]));
    expect([back, back6, arpa]).toEqual([['two.front.'], ['two.front.'], ['one.front.']]);
    expect([forwarded, forwardedTcp]).toEqual([['192.0.2.7'], ['192.0.2.7']]);
  });

  test('a name that nobody has is NXDOMAIN, one without such an address is not', async () => {
    await network(tsrun, 'front');
    await serve(tsrun, { name: 'one', flags: ['--network', 'front'], ...WAIT });
    const status = (question: string) => `dig ${question} | grep -o 'status: [A-Z]*\\|ANSWER: [0-9]*'`;
    const answers = await ask(
      status('nobody'),
      status('+tcp nobody.front'),
      status('nowhere.example'),
      status('one AAAA'),
      status('one MX'),
      'getent hosts nobody || echo $?',
    );
    expect(answers).toEqual([
      ...Array(3).fill(['status: NXDOMAIN', 'ANSWER: 0']),
      ...Array(2).fill(['status: NOERROR', 'ANSWER: 0']),
      ['2'],
    ]);
  });
});

/** Packets that came as far as the rule with this comment. */
function dropped(comment: string): number {
  const table = execFileSync('nft', ['list', 'table', 'inet', 'tsrun'], { encoding: 'utf8' });
  const line = table.split('\n').find((text) => text.includes(comment)) ?? '';
  return Number(/packets (\d+)/.exec(line)?.[1]);
}

describe('packets, watched by tcpdump', { timeout: TIMEOUT_MS }, () => {
  /** Prints a line for each packet of either version of IP on that interface, unless it is for a group: bridges report theirs. */
  const watchInterface = (name: string) => ({
    script: `nginx; tcpdump -l -n -t -p -i ${name} '(ip or ip6) and not ether multicast' 2>&1 & cat; kill $!; wait`,
    ready: /listening on/,
  });

  interface Packet {
    readonly source: string;
    readonly what: string;
  }
  /** What tcpdump has printed, but for the kernel's talk with its neighbours of IPv6. */
  const packets = (printed: string): readonly Packet[] =>
    [...printed.matchAll(/^IP6? (\d+\.\d+\.\d+\.\d+|[0-9a-f:]+)\S* > (.*)$/gm)]
      .map(([, source = '', what = '']) => ({ source, what }))
      .filter(({ source }) => !/^(fe80:|::$)/.test(source));

  /** Tries to reach a server by ping, UDP and TCP, all at once; nothing of it has to succeed. */
  const knock = (...addresses: readonly string[]) =>
    addresses
      .map((address) => (address.includes(':') ? [address, `[${address}]`] : [address, address]))
      .map(
        ([address, host]) =>
          `ping -c 2 -i 0.01 -W ${SLOWNESS} ${address} & dig +tries=1 +time=${SLOWNESS} @${address} x & curl -s -o /dev/null -m ${SLOWNESS} http://${host} &`,
      )
      .concat('wait')
      .join('\n');
  /** Two echo requests, a question and a connection to each of two addresses. */
  const KNOCKED = 8;

  test('do not get from one network to another, whatever is sent', async () => {
    await network(tsrun, '--ipv6', 'front');
    await network(tsrun, '--ipv6', 'back');
    const web = await serve(tsrun, {
      name: 'web',
      flags: ['--network', 'front'],
      ...watchInterface('eth0'),
    });
    const before = dropped('from other networks');
    const ask = (from: string) =>
      client(tsrun, { flags: ['--network', from] }, 'sh', '-c', `hostname -I; ${knock(web.ipv4, web.ipv6)}`);
    await Promise.all([ask('back'), ask('bridge')]);
    expect(dropped('from other networks') - before).toBeGreaterThanOrEqual(2 * KNOCKED);
    const friend = (await ask('front')).stdout.split('\n')[0]?.trim().split(' ') ?? [];
    // Answers to both of the friend's connections: what was sent before has been seen by then.
    await web.running.waitFor(/HTTP\/1.1 200 OK.*HTTP\/1.1 200 OK/s);
    const sources = new Set(packets(await web.finish()).map(({ source }) => source));
    expect(sources).toEqual(new Set([web.ipv4, web.ipv6, ...friend]));
  });

  test('do not get out of an internal network, also when a container makes itself a route', async () => {
    await network(tsrun, '--internal', '--ipv6', 'inner');
    const witness = await serve(tsrun, {
      name: 'witness',
      flags: ['--network', 'host'],
      wrapper: outside.enter,
      ...watchInterface('inside'),
    });
    const before = dropped('no way out');
    const [{ IPAM }] = JSON.parse(await tsrun.ok('network', 'inspect', 'inner'));
    const gateways = IPAM.Config as readonly { readonly Gateway: string }[];
    const routes = gateways.map(({ Gateway }) => `ip route add default via ${Gateway}`).join('\n');
    const flags = ['--network', 'inner', '--cap-add', 'NET_ADMIN'];
    const { stderr } = await client(
      tsrun,
      { flags },
      'sh',
      '-c',
      `${routes}\n${knock(outside.address, '2001:db8::2')}`,
    );
    expect(stderr).toBe('');
    expect(dropped('no way out') - before).toBeGreaterThanOrEqual(KNOCKED);
    await client(tsrun, { flags: [] }, 'ping', '-c', '1', '-s', '1000', outside.address);
    await witness.running.waitFor(/echo reply/);
    expect(packets(await witness.finish())).toEqual([
      { source: '203.0.113.1', what: expect.stringMatching(/echo request.* length 1008$/) },
      { source: '203.0.113.2', what: expect.stringMatching(/echo reply.* length 1008$/) },
    ]);
  });
});
