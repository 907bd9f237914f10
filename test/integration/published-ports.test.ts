/** -p as its users meet it: from the host, from outside and from containers, and what is left of it afterwards. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { makeOutside } from '../support/network-host.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';
import { PROGRAM, SLOWNESS } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const PEER = join(import.meta.dirname, '../support/net-peer.ts');
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning', PEER];

// The bridge is made by the first container, and stays.
beforeAll(async () => {
  await tsrun.ok('run', '--rm', 'busybox', 'true');
});

interface Inspected {
  readonly State: { readonly Pid: number };
  readonly NetworkSettings: { readonly IPAddress: string; readonly Ports: unknown };
}
interface Served {
  readonly pid: number;
  readonly address: string;
  readonly command: ChildProcess;
  readonly stderr: () => string;
}

async function inspect(name: string): Promise<Inspected> {
  const [found] = JSON.parse(await tsrun.ok('inspect', name)) as readonly Inspected[];
  if (found === undefined) throw new Error(name);
  return found;
}

/** A container that answers at its port 80, TCP and UDP, with its name and who it thinks has asked. */
async function serve(
  name: string,
  flags: readonly string[],
  wrapper: readonly string[] = [],
): Promise<Served> {
  const args = ['run', '--rm', '--name', name, ...flags, 'busybox', 'sh', '-c', 'echo up; exec sleep 600'];
  const [program = '', ...words] = [...wrapper, PROGRAM, ...args];
  const child = spawn(program, words, { env: { ...process.env, ...tsrun.env } });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const running = watch(child);
  await running.waitFor(/up/);
  const { State, NetworkSettings } = await inspect(name);
  const enter = ['--net', '--target', `${State.Pid}`, ...NODE, 'serve', name, '80'];
  const server = spawn('nsenter', enter, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    const gone = [once(server, 'exit'), once(child, 'exit')];
    server.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await tsrun.run('rm', '-f', name);
    else await tsrun.ok('ps');
    if (server.exitCode === null && server.signalCode === null) await gone[0];
  });
  await once(server.stdout, 'data');
  return { pid: State.Pid, address: NetworkSettings.IPAddress, command: child, stderr: () => stderr };
}

function ask(address: string, port: number, protocol = 'tcp', enter: readonly string[] = []): string {
  const [program = '', ...args] = [...enter, ...NODE, 'ask', protocol, address, `${port}`];
  return execFileSync(program, args, { encoding: 'utf8' }).trim();
}

const within = ({ pid }: Served) => ['nsenter', '--net', '--target', `${pid}`];
const nft = (...args: readonly string[]) => execFileSync('nft', args, { encoding: 'utf8' });

describe('a published port', () => {
  test('is reached from the host, from outside and from containers', async () => {
    using outside = await makeOutside();
    const web = await serve('web', ['-p', '8080:80', '-p', '8080:80/udp']);
    const friend = await serve('friend', []);
    // A new link needs a second before neighbours are found on it.
    await vi.waitUntil(() => ask('2001:db8::1', 1, 'tcp', outside.enter) === 'refused', 5000 * SLOWNESS);
    for (const protocol of ['tcp', 'udp']) {
      expect(ask('127.0.0.1', 8080, protocol)).toMatch(/^web saw /);
      expect(ask('203.0.113.1', 8080, protocol, outside.enter)).toBe('web saw 203.0.113.2');
      expect(ask('2001:db8::1', 8080, protocol, outside.enter)).toBe('web saw 2001:db8::2');
      expect(ask('203.0.113.1', 8080, protocol, within(friend))).toMatch(/^web saw /);
    }
    expect(ask('203.0.113.1', 8080, 'tcp', within(web))).toMatch(/^web saw /);
    expect(ask('::1', 8080)).toBe('refused');
  });

  test('is shown by ps, port and inspect', async () => {
    const flags = ['-p', '8000-8001:80-81', '-p', '127.0.0.1:9000:90/udp', '--expose', '443'];
    await serve('web', flags);
    expect(await tsrun.ok('ps')).toContain(
      '0.0.0.0:8000-8001->80-81/tcp, 127.0.0.1:9000->90/udp, [::]:8000-8001->80-81/tcp, 443/tcp',
    );
    expect(await tsrun.ok('port', 'web', '90/udp')).toBe('127.0.0.1:9000\n');
    expect((await tsrun.ok('port', 'web')).split('\n')).toContain('81/tcp -> [::]:8001');
    expect((await tsrun.run('port', 'web', '443')).stderr).toContain(
      '443/tcp of container web is not published',
    );
    expect((await inspect('web')).NetworkSettings.Ports).toMatchObject({
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8000' },
        { HostIp: '::', HostPort: '8000' },
      ],
      '443/tcp': null,
    });
  });

  test('is any free one with -P, and each container gets its own', async () => {
    await serve('one', ['-P', '--expose', '80']);
    await serve('two', ['-P', '--expose', '80']);
    const ports = await Promise.all(['one', 'two'].map((name) => tsrun.ok('port', name, '80')));
    const [one, two] = ports.map((text) => Number(/^0\.0\.0\.0:(\d+)/.exec(text)?.[1]));
    expect(one).not.toBe(two);
    expect(ask('127.0.0.1', one ?? 0)).toMatch(/^one saw /);
    expect(ask('127.0.0.1', two ?? 0)).toMatch(/^two saw /);
  });

  test('is taken: the message names the container, or the program, that has it, and nothing is left', async () => {
    await serve('web', ['-p', '8080:80']);
    const second = await tsrun.run('run', '--rm', '-p', '127.0.0.1:8080:80', 'busybox', 'true');
    expect(second.code).toBe(125);
    expect(second.stderr).toContain('port 127.0.0.1:8080 of the host is in use by container web');
    const server = createServer().listen(8090);
    await once(server, 'listening');
    const third = await tsrun.run('run', '--rm', '-p', '8091:1', '-p', '8090:80', 'busybox', 'true');
    server.close();
    expect(third.code).toBe(125);
    expect(third.stderr).toMatch(
      new RegExp(`tcp port 8090 of [0-9.:]+ is in use by .+ \\(process ${process.pid}\\)`),
    );
    const fourth = await tsrun.run('run', '--rm', '-p', '192.0.2.7:80:80', 'busybox', 'true');
    expect(fourth.stderr).toContain('no interface of this host has the address');
  });

  test("is nobody else's on the host while the container runs, and free afterwards", async () => {
    await serve('web', ['-p', '8080:80']);
    const refused = createServer().listen(8080);
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('EADDRINUSE');
    await tsrun.ok('rm', '-f', 'web');
    const taken = createServer().listen(8080);
    await once(taken, 'listening');
    taken.close();
    expect(nft('list', 'table', 'inet', 'tsrun')).not.toContain('8080');
  });

  test('leads nowhere after the helper was killed, once the next command has run', async () => {
    const { command } = await serve('web', ['-p', '8080:80']);
    command.kill('SIGKILL');
    await once(command, 'exit');
    await tsrun.ok('ps');
    expect(nft('list', 'table', 'inet', 'tsrun')).not.toContain('8080');
  });

  test('leads to its container again after all rules were flushed, once the next container is run', async () => {
    await serve('web', ['-p', '8080:80']);
    nft('flush', 'ruleset');
    expect(ask('127.0.0.1', 8080)).toBe('refused');
    await tsrun.ok('run', '--rm', 'busybox', 'true');
    expect(ask('127.0.0.1', 8080)).toMatch(/^web saw /);
  });

  test('of ::1 is served by a process, which ends with the container', async () => {
    const { command } = await serve('web', [
      '-p',
      '[::1]:8080:80',
      '-p',
      '[::1]:8080:80/udp',
      '-p',
      '8081:80',
    ]);
    for (const protocol of ['tcp', 'udp']) expect(ask('::1', 8080, protocol)).toMatch(/^web saw fd/);
    expect(ask('127.0.0.1', 8080)).toBe('refused');
    expect(ask('127.0.0.1', 8081)).toMatch(/^web saw /);
    expect(await tsrun.ok('port', 'web')).toContain('80/tcp -> [::1]:8080\n');
    expect(nft('list', 'table', 'inet', 'tsrun')).not.toContain('::1 .');
    const gone = once(command, 'exit');
    await tsrun.ok('rm', '-f', 'web');
    await gone;
    expect(ask('::1', 8080)).toBe('refused');
  });

  test('gets the datagrams of who has sent to it before, and a container that has gone gets none', async () => {
    const client = createSocket('udp4').bind(5353);
    onTestFinished(() => void client.close());
    const ask = async (): Promise<string> => {
      client.send('?', 8053, '127.0.0.1');
      const answer = once(client, 'message', { signal: AbortSignal.timeout(500) });
      return await answer.then(
        ([text]) => `${text}`.split(' ')[0] ?? '',
        () => 'nobody',
      );
    };
    const end = async ({ command }: Served) => {
      const gone = once(command, 'exit');
      command.kill('SIGKILL');
      await gone;
      await tsrun.ok('ps');
    };
    expect(await ask()).toBe('nobody');
    const first = await serve('first', ['-p', '8053:80/udp']);
    expect(await ask()).toBe('first');
    await tsrun.ok('rm', '-f', 'first');
    // Each of the next ones has the address of the one before, until that is taken.
    const second = await serve('second', []);
    expect(second.address).toBe(first.address);
    expect(await ask()).toBe('nobody');
    const third = await serve('third', ['-p', '127.0.0.1:8053:80/udp']);
    expect(await ask()).toBe('third');
    // A helper that is killed leaves it to the next command.
    await end(third);
    const fourth = await serve('fourth', []);
    expect(fourth.address).toBe(third.address);
    expect(await ask()).toBe('nobody');
  });

  test.each(['none', 'host'])('is discarded with --network %s, and a warning says so', async (network) => {
    const words = ['run', '--rm', '--network', network, '-p', '8080:80', 'busybox', 'true'];
    const { code, stderr } = await tsrun.run(...words);
    expect([code, stderr]).toEqual([
      0,
      `tsrun: warning: published ports are discarded when using ${network} network mode\n`,
    ]);
  });

  test.each([
    [['-p', '80'], 'publishing'],
    [['-P'], 'publishing'],
    [['--expose', '80'], 'exposing'],
  ])("is refused where the network is another container's: %j", async (flags, tried) => {
    const words = ['run', '--rm', '--network', 'container:other', ...flags, 'busybox', 'true'];
    const { code, stderr } = await tsrun.run(...words);
    expect(code).toBe(125);
    expect(stderr).toContain(`conflicting options: port ${tried} and the container type network mode`);
  });
});

describe('on a host without nftables', () => {
  let wrapper: readonly string[] = [];
  beforeAll(() => {
    const program = join(tsrun.scratch, 'no-netfilter');
    execFileSync('cc', ['-o', program, join(import.meta.dirname, '../support/no-netfilter.c')]);
    wrapper = [program];
  });

  test('a proxy passes connections and datagrams on, and a warning says what is missing', async () => {
    using outside = await makeOutside();
    const web = await serve('web', ['-p', '8080:80', '-p', '8080:80/udp'], wrapper);
    expect(web.stderr()).toContain('nothing outside is reached from the container');
    for (const protocol of ['tcp', 'udp']) {
      expect(ask('127.0.0.1', 8080, protocol)).toMatch(/^web saw 172/);
      expect(ask('::1', 8080, protocol)).toMatch(/^web saw fd/);
      expect(ask('203.0.113.1', 8080, protocol, outside.enter)).toMatch(/^web saw 172/);
    }
    const proxy = execFileSync('pgrep', ['--parent', `${web.command.pid}`, 'tsrun-proxy'], {
      encoding: 'utf8',
    });
    const status = execFileSync(
      'grep',
      ['-E', '^(Uid|CapEff|NoNewPrivs|Seccomp):', `/proc/${proxy.trim()}/status`],
      {
        encoding: 'utf8',
      },
    );
    expect(status).toMatch(/Uid:\t65534\t65534.*CapEff:\t0+\n.*NoNewPrivs:\t1\nSeccomp:\t2/s);
    await tsrun.ok('rm', '-f', 'web');
    expect(ask('127.0.0.1', 8080)).toBe('refused');
  });

  test('what both sides send arrives whole, in both directions, also after one has said that it is done', async () => {
    const web = await serve('web', ['-p', '8080:81'], wrapper);
    // Reads to the end, then sends back how much it was, and as much again: the client has long shut its side.
    const source = `require('node:net').createServer({ allowHalfOpen: true }, (s) => {
      let n = 0; s.on('data', (d) => { n += d.length }).on('end', () => s.end(n + '\\n' + 'x'.repeat(n)));
    }).listen(81, () => console.log('ready'))`;
    const [program = '', ...enter] = within(web);
    const server = spawn(program, [...enter, process.execPath, '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    const size = 20_000_000;
    const client = `const s = require('node:net').connect({ port: 8080, host: '127.0.0.1', allowHalfOpen: true });
      s.end(Buffer.alloc(${size})); let n = 0; let first;
      s.on('data', (d) => { first ??= d.toString('latin1').split('\\n')[0]; n += d.length }).on('end', () => console.log(first, n))`;
    const said = execFileSync(process.execPath, ['--eval', client], { encoding: 'utf8' });
    expect(said).toBe(`${size} ${size + `${size}\n`.length}\n`);
    // Nobody listens behind it any more: the connection is broken off, not left open.
    server.kill('SIGKILL');
    await once(server, 'exit');
    expect(ask('127.0.0.1', 8080)).toBe('refused');
  });

  test('several hundred connections at once are all served', { timeout: 60_000 * SLOWNESS }, async () => {
    await serve('web', ['-p', '8080:80'], wrapper);
    const source = `const { connect } = require('node:net'); let left = 400, good = 0;
      for (let i = 0; i < 400; i++) { let t = ''; connect(8080, '127.0.0.1').on('data', (d) => { t += d })
        .on('close', () => { good += t.startsWith('web saw'); if (--left === 0) console.log(good) }).on('error', () => {}) }`;
    expect(
      execFileSync(process.execPath, ['--eval', source], { encoding: 'utf8', timeout: 20_000 * SLOWNESS }),
    ).toBe('400\n');
  });
});
