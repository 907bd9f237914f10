/**
 * The DNS server of a container, asked by dig(1). Two network namespaces: the host, in which the helper and the resolvers
 * run, and the container, in which only the server's address is.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLease } from '../../../src/network/lease-format.ts';
import type { Served } from './serve.ts';

const id = (n: number) => `${n}`.padStart(64, '0');
const OWN = id(1);

let folder: string;
let host: ChildProcess;
let container: ChildProcess;
const started: ChildProcess[] = [];

beforeAll(async () => {
  execFileSync('make', ['--quiet', '-C', join(import.meta.dirname, '../../../native')], { stdio: 'inherit' });
  folder = mkdtempSync(join(tmpdir(), 'tsrun-dns-'));
  [host, container] = [await makeNamespace(), await makeNamespace()];
  startResolver('127.0.0.2');
  await untilAnswered('127.0.0.2');
}, 60_000);
afterAll(async () => {
  for (const child of [...started, host, container]) await end(child);
  rmSync(folder, { recursive: true });
});

async function makeNamespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  return holder;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const inside = (holder: ChildProcess) => ['nsenter', `--net=/proc/${holder.pid}/ns/net`, '--'] as const;

function startHere(...command: readonly string[]): ChildProcess {
  const [program, ...args] = [...inside(host), ...command];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

/** dnsmasq, which knows a few names and says that there are no others. */
function startResolver(address: string): void {
  startHere(
    ...[
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
    ],
    ...[
      `--listen-address=${address}`,
      '--user=root',
      '--pid-file=',
      '--host-record=outside.example,192.0.2.7,2001:db8::7',
    ],
    ...Array.from({ length: 8 }, (_, i) => `--txt-record=long.example,${`${i}`.repeat(200)}`),
    ...['--local=/#/', '--edns-packet-max=4096'],
  );
}

async function untilAnswered(address: string): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; await delay(20)) {
    const [program, ...args] = [
      ...inside(host),
      'dig',
      `@${address}`,
      '+tries=1',
      '+time=1',
      'outside.example',
    ];
    if (spawnSync(program, args).status === 0) return;
  }
  throw new Error(`nothing answers at ${address}`);
}

/** A resolver in JavaScript: `body` gets `message`, `from` and `reply`. */
async function startScript(address: string, body: string): Promise<void> {
  const source = `
    const socket = require('node:dgram').createSocket('udp4', (message, from) => {
      const reply = (bytes) => socket.send(bytes, from.port, from.address);
      ${body}
    });
    socket.bind(53, '${address}', () => console.log('ready'));`;
  const child = startHere(process.execPath, '--eval', source);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
}

interface Leased {
  readonly container: string;
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly network?: string;
}

function lease({ container: containerId, names, addresses, network = 'front' }: Leased): void {
  const directory = join(folder, 'networks', network);
  mkdirSync(directory, { recursive: true });
  for (const address of addresses) {
    const half = join(directory, `.${address}`);
    writeFileSync(half, formatLease({ containerId, network, names }));
    linkSync(half, join(directory, address));
    rmSync(half);
  }
}

interface Server extends AsyncDisposable {
  readonly helper: ChildProcess;
  /** The process that serves. */
  readonly pid: number;
}

async function serve({ upstreams = [] as readonly string[] } = {}): Promise<Server> {
  rmSync(join(folder, 'networks'), { recursive: true, force: true });
  lease({ container: OWN, names: ['own'], addresses: ['172.18.0.9'] });
  const served: Served = {
    netns: `/proc/${container.pid}/ns/net`,
    networks: join(folder, 'networks'),
    container: OWN,
    upstreams,
  };
  const script = join(import.meta.dirname, 'serve.ts');
  const helper = startHere(
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    script,
    JSON.stringify(served),
  );
  const ready = once(helper.stdout as NodeJS.ReadableStream, 'data').then(() => 'ready');
  expect(await Promise.race([ready, once(helper, 'exit')])).toBe('ready');
  return {
    helper,
    pid: findService(),
    [Symbol.asyncDispose]: async () => {
      helper.stdin?.end();
      if (helper.exitCode === null) await once(helper, 'exit');
    },
  };
}

/** It has no file system in which the test could find it, so it is known by its name and its view. */
function findService(): number {
  const found = services();
  expect(found.length).toBe(1);
  return found[0] ?? 0;
}

function services(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/comm`, 'utf8') === 'tsrun-dns\n' &&
          readlinkSync(`/proc/${pid}/root`) === join(folder, 'networks')
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

interface Answer {
  readonly status: string;
  readonly flags: readonly string[];
  readonly answers: readonly string[];
  readonly text: string;
}

/** Asks as a program in the container does. */
function dig(...words: readonly string[]): Answer {
  const [program, ...args] = [...inside(container), 'dig', '@127.0.0.11', '+tries=1', '+time=8', ...words];
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  const answers = stdout
    .split('\n')
    .filter((line) => /^[^;].*\sIN\s/.test(line))
    .map((line) => line.split(/\s+/).slice(4).join(' '));
  return {
    status: /status: (\w+)/.exec(stdout)?.[1] ?? stdout,
    flags: /flags: ([^;]*);/.exec(stdout)?.[1]?.split(' ') ?? [],
    answers,
    text: stdout,
  };
}

const short = (...words: readonly string[]) => dig(...words).answers;

describe('names of containers', () => {
  test('have their addresses, over UDP and TCP, by every name and in any case', async () => {
    await using _server = await serve();
    lease({
      container: id(2),
      names: ['web', 'db', '000000000002'],
      addresses: ['172.18.0.2', 'fd00:18::2'],
    });
    for (const name of ['web', 'WEB', 'db', '000000000002', 'web.front', 'db.front.', 'Web.Front'])
      expect(short(name), name).toEqual(['172.18.0.2']);
    expect(short('web', 'AAAA')).toEqual(['fd00:18::2']);
    expect(short('+tcp', 'web')).toEqual(['172.18.0.2']);
    expect(short('web', 'ANY').toSorted()).toEqual(['172.18.0.2', 'fd00:18::2']);
    expect(dig('web').flags).toEqual(['qr', 'aa', 'rd', 'ra']);
    expect(dig('web').text).toMatch(/^web\.\s+0\s+IN\s+A/m);
  });

  test('have no records of other types, and that is no error', async () => {
    await using _server = await serve({ upstreams: ['127.0.0.2'] });
    lease({ container: id(2), names: ['web'], addresses: ['172.18.0.2'] });
    for (const type of ['AAAA', 'MX', 'TXT', 'HTTPS']) {
      const { status, answers } = dig('web', type);
      expect([type, status, answers]).toEqual([type, 'NOERROR', []]);
    }
  });

  test('are found by address', async () => {
    await using _server = await serve();
    lease({ container: id(2), names: ['web', 'db'], addresses: ['172.18.0.2', 'fd00:18::2'] });
    expect(short('-x', '172.18.0.2')).toEqual(['web.front.']);
    expect(short('-x', 'fd00:18::2')).toEqual(['web.front.']);
    expect(short('+tcp', '-x', '172.18.0.2')).toEqual(['web.front.']);
    expect(dig('-x', '172.18.0.3').status).toBe('SERVFAIL');
  });

  test('that several have in common give each of them the first place in its turn', async () => {
    await using _server = await serve();
    const addresses = ['172.18.0.2', '172.18.0.3', '172.18.0.4'];
    for (const [i, address] of addresses.entries())
      lease({ container: id(2 + i), names: [`web${i}`, 'web'], addresses: [address] });
    const given = Array.from({ length: 6 }, () => short('web'));
    for (const answers of given) expect(answers.toSorted()).toEqual(addresses);
    expect(
      given
        .map(([first]) => first)
        .slice(0, 3)
        .toSorted(),
    ).toEqual(addresses);
    expect(given.slice(3)).toEqual(given.slice(0, 3));
  });

  test('of a crowd do not fit into a plain answer over UDP, which says so', async () => {
    await using _server = await serve();
    const addresses = Array.from({ length: 60 }, (_, i) => `172.18.1.${i}`);
    for (const [i, address] of addresses.entries())
      lease({ container: id(100 + i), names: ['web'], addresses: [address] });
    const plain = dig('+noedns', '+ignore', 'web');
    expect(plain.flags).toContain('tc');
    expect(plain.answers.length).toBe(30);
    expect(dig('+noedns', 'web').answers.length).toBe(60);
    expect(dig('+bufsize=4096', '+ignore', 'web').answers.length).toBe(60);
  });

  test('come and go with their leases, at once', async () => {
    await using _server = await serve();
    for (let i = 0; i < 10; i++) {
      lease({ container: id(2), names: ['web'], addresses: [`172.18.0.${20 + i}`] });
      expect(short('web')).toEqual([`172.18.0.${20 + i}`]);
      rmSync(join(folder, 'networks/front', `172.18.0.${20 + i}`));
      expect(dig('web').status).toBe('SERVFAIL');
    }
  }, 60_000);

  test('on networks that the container is not on are nobody, until it joins', async () => {
    await using _server = await serve();
    lease({ container: id(2), names: ['web'], addresses: ['172.19.0.2'], network: 'back' });
    await delay(150);
    expect([dig('web').status, dig('web.back').status]).toEqual(['SERVFAIL', 'SERVFAIL']);
    expect(dig('-x', '172.19.0.2').status).toBe('SERVFAIL');
    lease({ container: OWN, names: ['own'], addresses: ['172.19.0.9'], network: 'back' });
    expect(short('web')).toEqual(['172.19.0.2']);
    expect(short('own').toSorted()).toEqual(['172.18.0.9', '172.19.0.9']);
    expect(short('own.back')).toEqual(['172.19.0.9']);
  });
});

describe('other names', () => {
  test("are asked of the host's resolvers, over UDP and TCP", async () => {
    await using _server = await serve({ upstreams: ['127.0.0.2'] });
    expect(short('outside.example')).toEqual(['192.0.2.7']);
    expect(short('+tcp', 'outside.example', 'AAAA')).toEqual(['2001:db8::7']);
    expect(short('-x', '192.0.2.7')).toEqual(['outside.example.']);
    expect(dig('nowhere.example').status).toBe('NXDOMAIN');
    expect(dig('outside.example', 'MX').status).toBe('NOERROR');
  });

  test('with long answers come whole: over TCP, or by EDNS as large as was asked for', async () => {
    await using _server = await serve({ upstreams: ['127.0.0.2'] });
    expect(dig('+noedns', '+ignore', 'long.example', 'TXT').flags).toContain('tc');
    expect(short('+noedns', 'long.example', 'TXT').length).toBe(8);
    const large = dig('+bufsize=4000', '+ignore', 'long.example', 'TXT');
    expect([large.flags.includes('tc'), large.answers.length]).toEqual([false, 8]);
  });

  test('are asked of the next resolver when one is not there, refuses, or says nothing', async () => {
    await startScript('127.0.0.3', 'message[2] |= 0x80; message[3] |= 5; reply(message);');
    await startScript('127.0.0.4', '');
    for (const upstreams of [
      ['127.0.0.77', '127.0.0.2'],
      ['127.0.0.3', '127.0.0.2'],
      ['127.0.0.4', '127.0.0.2'],
      ['127.0.0.77', '127.0.0.3', '127.0.0.2'],
    ]) {
      await using _server = await serve({ upstreams });
      expect(short('outside.example'), upstreams.join(' ')).toEqual(['192.0.2.7']);
      if (!upstreams.includes('127.0.0.4')) expect(short('+tcp', 'outside.example')).toEqual(['192.0.2.7']);
    }
  }, 20_000);

  test('are a failure when no resolver answers, in less time than a program waits', async () => {
    await startScript('127.0.0.5', '');
    await using _server = await serve({ upstreams: ['127.0.0.5'] });
    const from = Date.now();
    expect(dig('outside.example').status).toBe('SERVFAIL');
    expect(Date.now() - from).toBeLessThan(5000);
  }, 20_000);

  test('without any resolver are a failure', async () => {
    await using _server = await serve();
    expect([dig('outside.example').status, dig('+tcp', 'outside.example').status]).toEqual([
      'SERVFAIL',
      'SERVFAIL',
    ]);
  });

  test('get no answer that is forged or broken, only the true one', async () => {
    await startScript(
      '127.0.0.6',
      `const answer = Buffer.concat([message.subarray(0, message.length), Buffer.alloc(0)]);
      answer[2] |= 0x80;
      const changed = (change) => { const copy = Buffer.from(answer); change(copy); reply(copy); };
      changed((copy) => { copy[1] ^= 1; copy[3] = 3; });
      changed((copy) => { copy[13] ^= 1; copy[3] = 3; });
      changed((copy) => { copy[7] = 200; });
      reply(answer.subarray(0, 11));
      reply(Buffer.alloc(0));
      setTimeout(() => changed((copy) => { copy[3] = 0x83; }), 100);`,
    );
    await using _server = await serve({ upstreams: ['127.0.0.6'] });
    expect(dig('outside.example').status).toBe('NXDOMAIN');
  });

  test('may be asked many at a time', async () => {
    await using _server = await serve({ upstreams: ['127.0.0.2'] });
    const names = join(folder, 'names');
    writeFileSync(
      names,
      Array.from({ length: 200 }, (_, i) => `outside.example ${i % 2 ? 'A' : 'AAAA'}\n`).join(''),
    );
    const jobs = Array.from({ length: 8 }, () => {
      const [program, ...args] = [...inside(container), 'dig', '@127.0.0.11', '+short', '-f', names];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      return once(child, 'close').then(() => text.trim().split('\n').length);
    });
    expect(await Promise.all(jobs)).toEqual(Array(8).fill(200));
  }, 30_000);
});

/** Sends bytes to the server over TCP from inside, in the given pieces; what comes back until it hangs up, in hex. */
function overTcp(...pieces: readonly Buffer[]): string {
  const source = `
    const socket = require('node:net').connect({ host: '127.0.0.11', port: 53 });
    const pieces = ${JSON.stringify(pieces.map((piece) => piece.toString('hex')))};
    const next = () => { const p = pieces.shift(); if (p !== undefined) { socket.write(Buffer.from(p, 'hex')); setTimeout(next, 20); } else socket.end(); };
    socket.setNoDelay();
    socket.on('connect', next);
    let got = '';
    socket.on('data', (chunk) => { got += chunk.toString('hex'); });
    socket.on('close', () => console.log(got));`;
  const [program, ...args] = [...inside(container), process.execPath, '--eval', source];
  return execFileSync(program, args, { encoding: 'utf8' }).trim();
}

function question(number: number): Buffer {
  const message = Buffer.from(
    `${number.toString(16).padStart(4, '0')}01000001000000000000036f776e0000010001`,
    'hex',
  );
  return Buffer.concat([Buffer.from([0, message.length]), message]);
}

describe('a connection', () => {
  test('carries several questions, however they are cut', async () => {
    await using _server = await serve();
    const both = Buffer.concat([question(0x1111), question(0x2222)]);
    for (const pieces of [[both], [...both].map((byte) => Buffer.from([byte]))]) {
      const got = overTcp(...pieces);
      expect(got).toMatch(/^0025111185800001000100000000.*0025222285800001000100000000.*ac120009$/);
    }
  });

  test('that sends no question is ended, and others are served', async () => {
    await using _server = await serve();
    expect(overTcp(Buffer.from([0, 0]))).toBe('');
    expect(overTcp(Buffer.from([0, 3, 1, 2, 3]))).toBe('');
    expect(overTcp(Buffer.from([255, 255, 1, 2, 3]))).toBe('');
    expect(short('own')).toEqual(['172.18.0.9']);
  });
});

describe('the process', () => {
  test('has no right on the host, and sees nothing of it', async () => {
    await using server = await serve({ upstreams: ['127.0.0.2'] });
    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\t(.*)$`, 'm').exec(status)?.[1];
    expect(field('Uid')).toBe('65534\t65534\t65534\t65534');
    expect(field('Gid')).toBe('65534\t65534\t65534\t65534');
    expect(field('Groups')?.trim()).toBe('');
    expect([field('CapEff'), field('CapPrm'), field('CapAmb')]).toEqual(Array(3).fill('0'.repeat(16)));
    expect([field('NoNewPrivs'), field('Seccomp'), field('Threads')]).toEqual(['1', '2', '1']);
    expect(readlinkSync(`/proc/${server.pid}/root`)).toBe(join(folder, 'networks'));
    const open = readdirSync(`/proc/${server.pid}/fd`).map((fd) =>
      readlinkSync(`/proc/${server.pid}/fd/${fd}`),
    );
    expect(open.map((target) => target.replace(/\d+/g, 'N')).toSorted()).toEqual(
      [
        '/dev/null',
        '/dev/null',
        '/dev/null',
        join(folder, 'networks').replace(/\d+/g, 'N'),
        'socket:[N]',
        'socket:[N]',
      ].toSorted(),
    );
  });

  test('ends with the container', async () => {
    const server = await serve();
    await server[Symbol.asyncDispose]();
    expect(services()).toEqual([]);
    expect(server.helper.exitCode).toBe(0);
  });

  test('ends with its helper, also when that is killed', async () => {
    const server = await serve();
    const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
    process.kill(Number(parent), 'SIGKILL');
    await once(server.helper, 'exit');
    while (services().length > 0) await delay(5);
  });

  test('is not started where its address is taken, and the error says so', async () => {
    await using _server = await serve();
    const served = {
      netns: `/proc/${container.pid}/ns/net`,
      networks: join(folder, 'networks'),
      container: OWN,
      upstreams: [],
    };
    const [program, ...args] = [
      ...inside(host),
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'serve.ts'),
    ];
    const { status, stderr } = spawnSync(program, [...args, JSON.stringify(served)], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([125, 'dns: 98 \n']);
    const wrong = spawnSync(program, [...args, JSON.stringify({ ...served, upstreams: ['dns.example'] })], {
      encoding: 'utf8',
    });
    expect(wrong.stderr).toBe('dns: 22 dns.example\n');
  });
});
