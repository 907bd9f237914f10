/** What a network costs: `run --rm` with bridge, none and host; set-up and tear-down; and what it carries. Beside podman and Docker. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Comparison, printComparison } from './comparison.ts';
import { missingDocker, startDocker } from './docker.ts';
import { type Engine, LIMIT_SECONDS, startTsrun } from './engine.ts';
import { median, printAim, roundsOr, runInTurn } from './measure.ts';
import { startPodman } from './podman.ts';
import { benchTraffic } from './traffic.ts';

const ROUNDS = roundsOr(30);
/** How much more than without a network a container on the bridge may take, in milliseconds. */
const AIM_MS = 10;

const NETWORKS = ['none', 'bridge', 'host'] as const;
const IMAGES = ['busybox', 'network'] as const;

export async function benchNetwork(scratch: string): Promise<void> {
  const directory = join(scratch, 'network');
  mkdirSync(directory);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  await using stack = new AsyncDisposableStack();
  const engines: Engine[] = [startTsrun(directory, IMAGES)];
  engines.push(stack.use(await startPodman(directory, IMAGES)));
  const missing = missingDocker();
  if (missing === undefined) engines.push(stack.use(await startDocker(directory, IMAGES)));
  else console.log(`\nDocker is left out: ${missing}`);

  const starts = raceStarts(engines);
  printComparison('A container that does nothing, from start to end', 'ms', engines, starts);
  const [none, bridge] = starts.map(({ figures }) => median(figures[0] ?? []));
  const more = (bridge ?? Number.NaN) - (none ?? Number.NaN);
  printAim(`the bridge costs under ${AIM_MS} ms more than none (${more.toFixed(1)} ms)`, more < AIM_MS);

  printComparison('The network alone', 'ms', engines, await timeNetworks(engines));
  await benchTraffic(engines);
}

function raceStarts(engines: readonly Engine[]): readonly Comparison[] {
  const contestants = NETWORKS.flatMap((network) =>
    engines.map((engine) => ({
      name: engine.name,
      command: engine.command('run', '--rm', '--network', network, 'busybox', 'true'),
      limitSeconds: LIMIT_SECONDS,
    })),
  );
  const env = Object.assign({}, ...engines.map((engine) => engine.env));
  const rounds = runInTurn(ROUNDS + 1, contestants, { env }).slice(1);
  return NETWORKS.map((network, index) => ({
    what: `run --rm --network ${network} busybox true`,
    figures: engines.map((_, at) => rounds.map((row) => row[index * engines.length + at] ?? Number.NaN)),
  }));
}

/** tsrun's from its trace; podman's is a program, which it waits for; Docker's is a request to the daemon. */
async function timeNetworks(engines: readonly Engine[]): Promise<readonly Comparison[]> {
  const times = engines.map((): Awaited<ReturnType<Engine['timeNetwork']>>[] => []);
  for (let round = 0; round <= Math.ceil(ROUNDS / 3); round++)
    for (const [index, engine] of engines.entries()) times[index]?.push(await engine.timeNetwork());
  return (['setUp', 'tearDown'] as const).map((part) => ({
    what: part === 'setUp' ? 'set-up' : 'tear-down',
    figures: times.map((all) => all.slice(1).map((one) => one[part])),
  }));
}
