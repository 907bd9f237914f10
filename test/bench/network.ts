/** What a network costs: `run --rm` with bridge, none and host; set-up and tear-down; and what it carries. Beside podman. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { median, printAim, printTable, REPOSITORY, race } from './measure.ts';
import { PODMAN_LIMIT_SECONDS, type Podman, startPodman } from './podman.ts';
import { benchTraffic } from './traffic.ts';

const ROUNDS = 30;
/** How much more than without a network a container on the bridge may take, in milliseconds. */
const AIM_MS = 10;

const TSRUN = join(REPOSITORY, 'dist/bin/tsrun');
const NETWORKS = ['none', 'bridge', 'host'] as const;
const IMAGES = ['busybox', 'network'] as const;

export async function benchNetwork(scratch: string): Promise<void> {
  const directory = join(scratch, 'network');
  mkdirSync(directory);
  const env = { TSRUN_ROOT: join(directory, 'data'), TSRUN_RUN_ROOT: join(directory, 'run') };
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  for (const image of IMAGES)
    execFileSync(TSRUN, ['load', '-i', join(REPOSITORY, `.cache/images/${image}.tar`)], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
  using podman = await startPodman(directory, IMAGES);
  raceStarts(env, podman);
  printNetworkSetup(env, podman);
  const tsrun = { name: 'tsrun', command: (...args: readonly string[]) => [TSRUN, ...args], env };
  await benchTraffic(tsrun, { name: 'podman', ...podman });
}

function raceStarts(env: Readonly<Record<string, string>>, podman: Podman): void {
  const run = (network: string) => ['run', '--rm', '--network', network, 'busybox', 'true'];
  const contestants = [
    ...NETWORKS.map((network) => ({
      name: `tsrun run --network ${network}`,
      command: [TSRUN, ...run(network)],
    })),
    ...NETWORKS.map((network) => ({
      name: `podman run --network ${network}`,
      command: podman.command(...run(network)),
      limitSeconds: PODMAN_LIMIT_SECONDS,
    })),
  ];
  const medians = race(ROUNDS, contestants, { env: { ...env, ...podman.env } });
  const [none = Number.NaN, bridge = Number.NaN] = medians;
  printTable(
    'A container on a network (ratio to tsrun without one)',
    contestants.map((c) => c.name),
    medians,
    none,
  );
  printAim(
    `the bridge costs under ${AIM_MS} ms more than none (${(bridge - none).toFixed(1)} ms)`,
    bridge - none < AIM_MS,
  );
}

/** tsrun's from its trace: calls of the kernel, while the container makes its mounts. podman's is a program, which it waits for. */
function printNetworkSetup(env: Readonly<Record<string, string>>, podman: Podman): void {
  const ours = Array.from({ length: ROUNDS }, () => traceNetwork(env));
  for (let round = 0; round < ROUNDS / 3; round++) {
    const [program = '', ...args] = podman.command('run', '--rm', '--network', 'bridge', 'busybox', 'true');
    const { signal } = spawnSync(program, args, {
      env: { ...process.env, ...podman.timedEnv },
      timeout: PODMAN_LIMIT_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
    if (signal !== null) console.log(`\npodman run: killed after ${PODMAN_LIMIT_SECONDS} s`);
  }
  const theirs = podman.networkTimes();
  const [setUp, tearDown] = [median(ours.map((s) => s.setUp)), median(ours.map((s) => s.tearDown))];
  printTable(
    'Set-up and tear-down of the network (ratio to set-up by tsrun)',
    ['tsrun, set-up', 'tsrun, tear-down', 'netavark, setup', 'netavark, teardown'],
    [setUp, tearDown, median(theirs.setupMs), median(theirs.tearDownMs)],
    setUp,
  );
}

/** Lines of --trace that are about the network: what the host process waits for in the kernel. */
const NETWORK_LINE = /\b(netlink|netlink_socket)\(|"\/proc\/sys\/net\/|path="ns\/net"|\/run\/networks\//;

function traceNetwork(env: Readonly<Record<string, string>>): {
  readonly setUp: number;
  readonly tearDown: number;
} {
  const { stderr } = spawnSync(TSRUN, ['run', '--rm', '--trace', 'busybox', 'true'], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  const lines = stderr.split('\n').filter((line) => NETWORK_LINE.test(line));
  const ms = (who: string) =>
    lines.reduce((sum, line) => {
      const [, took = '0', by = ''] = /^ *[\d.]+ +([\d.]+) +(host|cleanup) /.exec(line) ?? [];
      return by === who ? sum + Number(took) : sum;
    }, 0);
  return { setUp: ms('host'), tearDown: ms('cleanup') };
}
