/** Networks under the programs that people run on them: nginx loaded by wrk, iperf3, ping. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ip, makeNetwork, makeOutside, type OtherNetwork } from '../support/network-host.ts';
import { client, network, type Server, serve } from '../support/programs.ts';
import { useTsrun } from '../support/tsrun.ts';
import { SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['network'] });

const CONNECTIONS = 16;
const TIMEOUT_MS = 120_000 * SLOWNESS;

let outside: OtherNetwork;
let withoutNftables: readonly string[];

beforeAll(async () => {
  outside = await makeOutside();
  const program = join(tsrun.scratch, 'no-netfilter');
  execFileSync('cc', ['-o', program, join(import.meta.dirname, '../support/no-netfilter.c')]);
  withoutNftables = [program];
  // Until the kernel has looked for duplicates of its own addresses, it does not find neighbours.
  const tentative = ['ip', '-6', 'address', 'show', 'tentative'] as const;
  await vi.waitUntil(() => ip(...tentative.slice(1)) + outside.run(...tentative) === '', 10_000 * SLOWNESS);
});
afterAll(() => outside[Symbol.dispose]());

/** Ends gracefully, so that each request is in its log before that is read; prints how many came from which address. */
const NGINX = `nginx; echo up; cat; kill -QUIT $(cat /run/nginx.pid); while [ -e /run/nginx.pid ]; do sleep 0.05; done
  awk '{ print $9, $1 }' /var/log/nginx/access.log | sort | uniq -c`;

/** Requests that nginx has logged: status, address of the client, and how many. */
async function readLog(server: Server): Promise<ReadonlyMap<string, number>> {
  const lines = [...(await server.finish()).matchAll(/^ *(\d+) (\d+ [0-9a-f.:]+)$/gm)];
  return new Map(lines.map(([, count, who = '']) => [who, Number(count)]));
}

/** A second of requests; how many were answered. Fails when one was not, or not with status 200. */
async function load(url: string, from?: OtherNetwork): Promise<number> {
  const words = ['wrk', '--threads', '1', '--connections', `${CONNECTIONS}`, '--duration', '1s', url];
  const { code, stdout, stderr } = await client(tsrun, from === undefined ? {} : { from }, ...words);
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: expect.not.stringMatching(/Socket errors|Non-2xx/),
    stderr: '',
  });
  return Number(/(\d+) requests in/.exec(stdout)?.[1]);
}

/** What nginx has logged is what each wrk counted, and what was on its way when it ended. */
function expectLogged(logged: number | undefined, ...answered: readonly number[]): void {
  const sum = answered.reduce((a, b) => a + b);
  expect(Math.min(...answered)).toBeGreaterThan(100 / SLOWNESS);
  expect(logged).toBeGreaterThanOrEqual(sum);
  expect(logged).toBeLessThanOrEqual(sum + answered.length * CONNECTIONS);
}

const gatewayOf = ({ ipv4, ipv6 }: Server) => ({
  ipv4: ipv4.replace(/\d+$/, '1'),
  ipv6: ipv6.replace(/[^:]+$/, '1'),
});

describe('nginx behind a published port, loaded by wrk', { timeout: TIMEOUT_MS }, () => {
  const published = { name: 'web', flags: ['-p', '8080:80'], script: NGINX, ready: /up/ };

  test('answers every request, and knows who asks', async () => {
    const nginx = await serve(tsrun, published);
    const answered = {
      outside: await load('http://203.0.113.1:8080/', outside),
      outside6: await load('http://[2001:db8::1]:8080/', outside),
      host: await load('http://127.0.0.1:8080/'),
    };
    const log = await readLog(nginx);
    expectLogged(log.get('200 203.0.113.2'), answered.outside);
    expectLogged(log.get('200 2001:db8::2'), answered.outside6);
    expectLogged(log.get(`200 ${gatewayOf(nginx).ipv4}`), answered.host);
    expect(log.size).toBe(3);
  });

  test('answers every request through the proxy of a host without nftables', async () => {
    const nginx = await serve(tsrun, { ...published, wrapper: withoutNftables });
    const answered = {
      outside: await load('http://203.0.113.1:8080/', outside),
      host: await load('http://127.0.0.1:8080/'),
      outside6: await load('http://[2001:db8::1]:8080/', outside),
      host6: await load('http://[::1]:8080/'),
    };
    const log = await readLog(nginx);
    expectLogged(log.get(`200 ${gatewayOf(nginx).ipv4}`), answered.outside, answered.host);
    expectLogged(log.get(`200 ${gatewayOf(nginx).ipv6}`), answered.outside6, answered.host6);
    expect(log.size).toBe(2);
  });
});

interface Iperf {
  readonly error?: string;
  readonly end: {
    readonly sum_received: { readonly bytes: number; readonly seconds: number };
    readonly sum: { readonly packets: number; readonly lost_percent: number };
  };
}

describe('iperf3 between two containers on the bridge', { timeout: TIMEOUT_MS }, () => {
  const receiver = { name: 'receiver', script: 'iperf3 --server --forceflush & cat', ready: /listening/ };

  async function send(...words: readonly string[]): Promise<Iperf['end']> {
    const command = ['iperf3', '--json', '--time', '1', '--client', ...words];
    const { stdout } = await client(tsrun, { flags: [] }, ...command);
    const { error, end } = JSON.parse(stdout) as Iperf;
    expect(error).toBeUndefined();
    return end;
  }

  test('moves a stream of bytes over IPv4 and IPv6', async () => {
    const { ipv4, ipv6 } = await serve(tsrun, receiver);
    for (const address of [ipv4, ipv6]) {
      const { bytes, seconds } = (await send(address)).sum_received;
      expect(bytes / seconds).toBeGreaterThan(1e8 / SLOWNESS ** 2);
    }
  });

  // Few enough for a receiver that the machine lets wait: what the socket of the receiver cannot hold is lost.
  test('moves datagrams, also those that take several packets, over IPv4 and IPv6', async () => {
    const { ipv4, ipv6 } = await serve(tsrun, receiver);
    for (const [address, size] of [
      [ipv4, 1000],
      [ipv6, 1000],
      [ipv4, 8000],
      [ipv6, 8000],
    ] as const) {
      const words = ['--udp', '--bitrate', '2M', '--length', `${size}`];
      const { packets, lost_percent } = (await send(address, ...words)).sum;
      expect(packets).toBeGreaterThan(100_000 / size);
      expect(lost_percent).toBeLessThan(20);
    }
  });
});

describe('ping', { timeout: TIMEOUT_MS }, () => {
  /** What the bridge in the middle may add: a round trip is about 0.01 ms, and ping shows no smaller parts than 0.001. */
  const BRIDGE_MS = 0.01 * SLOWNESS;

  /** The median of the round trips, in milliseconds. */
  async function roundTrip(
    address: string,
    options: { readonly flags?: readonly string[]; readonly from?: OtherNetwork },
  ): Promise<number> {
    const { stdout } = await client(tsrun, options, 'ping', '-n', '-c', '200', '-i', '0.002', address);
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
    expect(times.length).toBe(200);
    return times.toSorted((a, b) => a - b)[100] ?? Number.NaN;
  }

  /** Two network namespaces and a veth pair, nothing else. */
  async function makePair(): Promise<{ readonly near: OtherNetwork; readonly address: string }> {
    const [near, far] = [await makeNetwork(), await makeNetwork()];
    onTestFinished(() => {
      near[Symbol.dispose]();
      far[Symbol.dispose]();
    });
    const peer = ['peer', 'name', 'far', 'netns', `${far.pid}`];
    near.run('ip', 'link', 'add', 'near', 'up', 'type', 'veth', ...peer);
    near.run('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'near');
    far.run('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'far');
    far.run('ip', 'link', 'set', 'far', 'up');
    return { near, address: '192.0.2.2' };
  }

  test('from one container to another takes what a veth pair takes', async () => {
    const pair = await makePair();
    await network(tsrun, 'front');
    const flags = ['--network', 'front'];
    const { ipv4 } = await serve(tsrun, { name: 'there', flags, script: 'echo up; cat', ready: /up/ });
    // In turn, since the load of the machine changes.
    const plain: number[] = [];
    const ours: number[] = [];
    for (let round = 0; round < 3; round++) {
      plain.push(await roundTrip(pair.address, { from: pair.near }));
      ours.push(await roundTrip(ipv4, { flags }));
    }
    expect(Math.min(...ours)).toBeLessThan(2 * Math.min(...plain) + BRIDGE_MS);
  });
});
