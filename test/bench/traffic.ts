/** What a network carries: iperf3 from container to container, and requests of wrk to nginx behind a published port. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { makeOutside, type OtherNetwork } from '../support/network-host.ts';
import { median } from './measure.ts';
import { PODMAN_LIMIT_SECONDS } from './podman.ts';

const ROUNDS = 15;
const SECONDS = 1;
const CONNECTIONS = 16;
const LIMIT_MS = PODMAN_LIMIT_SECONDS * 1000;

export interface Engine {
  readonly name: string;
  command(...args: readonly string[]): readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface Server extends AsyncDisposable {
  /** On the engine's bridge. */
  readonly address: string;
}

/** The load on published ports comes from the same program for all: wrk in a container of tsrun's. */
export async function benchTraffic(tsrun: Engine, podman: Engine): Promise<void> {
  const engines = [tsrun, podman];
  await benchThroughput(engines);
  using outside = await makeOutside();
  const load = (from?: OtherNetwork) => (port: number) =>
    requestsPerSecond(tsrun, from === undefined ? '127.0.0.1' : '203.0.113.1', port, from);
  await benchPublishedPort('from outside', engines, load(outside));
  await benchPublishedPort('from the loopback of the host', engines, load());
}

async function benchThroughput(engines: readonly Engine[]): Promise<void> {
  const script = 'hostname -I; exec iperf3 --server --forceflush';
  await using servers = await startAll(engines, () => [], script, /listening/);
  const rates = await inTurn(engines, async (engine, index) => {
    const words = [
      'iperf3',
      '--json',
      '--time',
      `${SECONDS}`,
      '--client',
      servers.list[index]?.address ?? '',
    ];
    const printed = await output(engine, engine.command('run', '--rm', 'network', ...words));
    return printed === undefined ? Infinity : JSON.parse(printed).end.sum_received.bits_per_second / 1e9;
  });
  print('iperf3 between two containers, TCP (ratio to podman)', 'Gbit/s', engines, rates);
}

async function benchPublishedPort(
  where: string,
  engines: readonly Engine[],
  load: (port: number) => Promise<number>,
): Promise<void> {
  const port = (index: number) => 8080 + index;
  const script = 'hostname -I; nginx; echo listening; trap exit TERM; sleep 600 & wait';
  await using _servers = await startAll(engines, (index) => ['-p', `${port(index)}:80`], script, /listening/);
  const rates = await inTurn(engines, (_, index) => load(port(index)));
  print(`nginx behind a published port, ${where} (ratio to podman)`, 'requests/s', engines, rates);
}

async function requestsPerSecond(
  tsrun: Engine,
  host: string,
  port: number,
  from: OtherNetwork | undefined,
): Promise<number> {
  const wrk = ['wrk', '--threads', '1', '--connections', `${CONNECTIONS}`, '--duration', `${SECONDS}s`];
  const run = ['run', '--rm', '--network', 'host', 'network', ...wrk, `http://${host}:${port}/`];
  const printed = await output(tsrun, [...(from?.enter ?? []), ...tsrun.command(...run)]);
  if (/Socket errors|Non-2xx/.test(printed ?? '')) throw new Error(`requests failed:\n${printed}`);
  return printed === undefined ? Infinity : Number(/Requests\/sec: +([\d.]+)/.exec(printed)?.[1]);
}

/** One round to warm up, then ROUNDS. An engine that hung is not tried again: that figure is Infinity. */
async function inTurn(
  engines: readonly Engine[],
  measure: (engine: Engine, index: number) => Promise<number>,
): Promise<readonly (readonly number[])[]> {
  const figures = engines.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, engine] of engines.entries())
      figures[index]?.push(figures[index].includes(Infinity) ? Infinity : await measure(engine, index));
  return figures.map((all) => all.slice(1));
}

/** Ratios are medians of the rounds' own: the load of the machine changes from one to the next. */
function print(
  title: string,
  unit: string,
  engines: readonly Engine[],
  figures: readonly (readonly number[])[],
): void {
  const reference = figures.at(-1) ?? [];
  console.log(`\n### ${title}\n\n| what | median ${unit} | ratio, of each round |\n|---|---:|---:|`);
  engines.forEach(({ name }, index) => {
    const own = figures[index] ?? [];
    if (own.includes(Infinity)) console.log(`| ${name} | hung: killed after ${PODMAN_LIMIT_SECONDS} s | |`);
    else {
      const value = median(own);
      const ratio = median(own.map((figure, round) => figure / (reference[round] ?? Number.NaN)));
      console.log(`| ${name} | ${value.toFixed(value < 100 ? 2 : 0)} | ${ratio.toFixed(2)} |`);
    }
  });
}

async function startAll(
  engines: readonly Engine[],
  flags: (index: number) => readonly string[],
  script: string,
  ready: RegExp,
): Promise<AsyncDisposable & { readonly list: readonly Server[] }> {
  const stack = new AsyncDisposableStack();
  const list: Server[] = [];
  for (const [index, engine] of engines.entries())
    list.push(stack.use(await startServer(engine, flags(index), script, ready)));
  return { list, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function startServer(
  engine: Engine,
  flags: readonly string[],
  script: string,
  ready: RegExp,
): Promise<Server> {
  const words = ['run', '--rm', '--name', 'server', ...flags, 'network', 'sh', '-c', script];
  const [program = '', ...args] = engine.command(...words);
  const child = spawn(program, args, {
    env: { ...process.env, ...engine.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = await untilPrinted(child, ready);
  return {
    address: /^\d+\.\d+\.\d+\.\d+/m.exec(printed)?.[0] ?? '',
    [Symbol.asyncDispose]: async () => {
      await output(engine, engine.command('rm', '-f', 'server'));
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function untilPrinted(child: ChildProcess, ready: RegExp): Promise<string> {
  let printed = '';
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (text) => {
      printed += text;
      if (ready.test(printed)) resolve(printed);
    });
  child.once('exit', (code, signal) =>
    reject(new Error(`${child.spawnargs.join(' ')}: ${signal ?? code}\n${printed}`)),
  );
  return promise.finally(() => clearTimeout(limit));
}

/** What the command prints; undefined when it had to be killed. */
async function output(engine: Engine, words: readonly string[]): Promise<string | undefined> {
  const [program = '', ...args] = words;
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const options = {
    env: { ...process.env, ...engine.env },
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  } as const;
  execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (error.killed) resolve(undefined);
    else reject(new Error(`${words.join(' ')}: ${error.code}\n${stderr}`));
  });
  return promise;
}
