/** What a network costs: `run --rm` with bridge, none and host, beside podman; and the share of the kernel's answers in it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { median, printAim, printTable, REPOSITORY, race } from './measure.ts';
import { startPodman } from './podman.ts';

const ROUNDS = 30;
/** How much more than without a network a container on the bridge may take, in milliseconds. */
const AIM_MS = 10;

const TSRUN = join(REPOSITORY, 'dist/bin/tsrun');
const NETWORKS = ['none', 'bridge', 'host'] as const;

export async function benchNetwork(scratch: string): Promise<void> {
  const directory = join(scratch, 'network');
  mkdirSync(directory);
  const env = { TSRUN_ROOT: join(directory, 'data'), TSRUN_RUN_ROOT: join(directory, 'run') };
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync(TSRUN, ['load', '-i', join(REPOSITORY, '.cache/images/busybox.tar')], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  using podman = await startPodman(directory);
  const run = (network: string) => ['run', '--rm', '--network', network, 'busybox', 'true'];
  const contestants = [
    ...NETWORKS.map((network) => ({
      name: `tsrun run --network ${network}`,
      command: [TSRUN, ...run(network)],
    })),
    ...NETWORKS.map((network) => ({
      name: `podman run --network ${network}`,
      command: podman.command(...run(network)),
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
  printNetworkOps(env);
}

/** Lines of --trace that are about the network: what the host process waits for in the kernel. */
const NETWORK_LINE = /\b(netlink|netlink_socket)\(|"\/proc\/sys\/net\/|path="ns\/net"|\/run\/networks\//;

function printNetworkOps(env: Readonly<Record<string, string>>): void {
  const samples = Array.from({ length: ROUNDS }, () => {
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
    return { setup: ms('host'), tearDown: ms('cleanup') };
  });
  console.log(
    `\nof that in the kernel: set-up ${median(samples.map((s) => s.setup)).toFixed(2)} ms, tear-down ${median(samples.map((s) => s.tearDown)).toFixed(2)} ms (medians of ${ROUNDS} traces)`,
  );
}
