/** What a network carries: iperf3 from container to container, and requests of wrk to nginx behind a published port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { makeOutside } from '../support/network-host.ts';
import { printComparison } from './comparison.ts';
import { type Engine, LIMIT_SECONDS, output } from './engine.ts';
import { roundsOr } from './measure.ts';

const ROUNDS = roundsOr(15);
const SECONDS = 1;
const CONNECTIONS = 16;

interface Server extends AsyncDisposable {
  /** On the engine's bridge. */
  readonly address: string;
}

/** The first engine is the one that the load on published ports comes from, wrk in a container: the same program for all. */
export async function benchTraffic(engines: readonly Engine[]): Promise<void> {
  await benchThroughput(engines);
  await using stack = new AsyncDisposableStack();
  const outsides = new Map<Engine, readonly string[]>();
  for (const engine of engines) outsides.set(engine, stack.use(await makeOutside(engine.enterNetwork)).enter);
  const from = (engine: Engine) => ({ host: '203.0.113.1', enter: outsides.get(engine) ?? [] });
  await benchPublishedPort('from outside', engines, from);
  const onHost = ({ enterNetwork }: Engine) => ({ host: '127.0.0.1', enter: enterNetwork });
  await benchPublishedPort('from the loopback of the host', engines, onHost);
}

async function benchThroughput(engines: readonly Engine[]): Promise<void> {
  const script = 'hostname -I; exec iperf3 --server --forceflush';
  await using servers = await startAll(engines, [], script);
  const figures = await inTurn(engines, async (engine, index) => {
    const words = ['--json', '--time', `${SECONDS}`, '--client', servers.list[index]?.address ?? ''];
    const printed = await output(engine, engine.command('run', '--rm', 'network', 'iperf3', ...words));
    return printed === undefined ? Infinity : JSON.parse(printed).end.sum_received.bits_per_second / 1e9;
  });
  const what = 'iperf3 between two containers, TCP';
  printComparison('What the network carries', 'Gbit/s', engines, [{ what, figures }]);
}

/** Where wrk runs, and which address of the engine's host it asks there. */
type LoadFrom = (engine: Engine) => { readonly host: string; readonly enter: readonly string[] };

async function benchPublishedPort(where: string, engines: readonly Engine[], from: LoadFrom): Promise<void> {
  const [tsrun] = engines;
  if (tsrun === undefined) return;
  const script = 'hostname -I; nginx; echo listening; trap exit TERM; sleep 600 & wait';
  await using _servers = await startAll(engines, ['-p', `${PORT}:80`], script);
  const figures = await inTurn(engines, (engine) => requestsPerSecond(tsrun, from(engine)));
  const what = `nginx behind a published port, ${where}`;
  printComparison('What the network carries', 'requests/s', engines, [{ what, figures }]);
}

const PORT = 8080;

async function requestsPerSecond(tsrun: Engine, { host, enter }: ReturnType<LoadFrom>): Promise<number> {
  const wrk = ['wrk', '--threads', '1', '--connections', `${CONNECTIONS}`, '--duration', `${SECONDS}s`];
  const run = ['run', '--rm', '--network', 'host', 'network', ...wrk, `http://${host}:${PORT}/`];
  const printed = await output(tsrun, [...enter, ...tsrun.command(...run)]);
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

async function startAll(
  engines: readonly Engine[],
  flags: readonly string[],
  script: string,
): Promise<AsyncDisposable & { readonly list: readonly Server[] }> {
  const stack = new AsyncDisposableStack();
  const list: Server[] = [];
  for (const engine of engines) list.push(stack.use(await startServer(engine, flags, script)));
  return { list, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function startServer(engine: Engine, flags: readonly string[], script: string): Promise<Server> {
  const words = ['run', '--rm', '--name', 'server', ...flags, 'network', 'sh', '-c', script];
  const [program = '', ...args] = engine.command(...words);
  const child = spawn(program, args, {
    env: { ...process.env, ...engine.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = await untilPrinted(child, /listening/);
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
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_SECONDS * 1000);
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
