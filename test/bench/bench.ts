/** The benchmarks, one after the other. Runs in a mount namespace of its own: see scripts/bench.sh. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { benchCommand, benchVersion } from './command.ts';
import { CLIENT, missingDocker } from './docker.ts';
import { benchImages } from './images.ts';
import { benchNetwork } from './network.ts';
import { benchOci } from './oci.ts';
import { benchStart } from './start.ts';
import { benchUnpack } from './unpack.ts';

const PARTS: Readonly<Record<string, (scratch: string) => void | Promise<void>>> = {
  command: benchCommand,
  version: benchVersion,
  unpack: benchUnpack,
  images: benchImages,
  network: benchNetwork,
  oci: benchOci,
  // Last: it changes this process's view of the cgroups, for crun's sake.
  start: benchStart,
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !Object.hasOwn(PARTS, name));
if (unknown !== undefined) throw new Error(`No benchmark '${unknown}': ${Object.keys(PARTS).join(', ')}`);

const scratch = mkdtempSync('/var/tmp/tsrun-bench-');
try {
  console.log(describeMachine());
  for (const [name, bench] of Object.entries(PARTS)) {
    if (asked.length === 0 || asked.includes(name)) await bench(join(scratch));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? '0';
  const peers = ['runc', 'crun', 'podman', ...(missingDocker() === undefined ? [CLIENT] : [])];
  const versions = peers.map(
    (name) => execFileSync(name, ['--version'], { encoding: 'utf8' }).split('\n')[0],
  );
  return [
    `machine: ${cpus().length} x ${model}, ${Math.round(Number(memory) / 2 ** 20)} GiB, Linux ${release()}`,
    `load before: ${loadavg()[0]?.toFixed(2)} (quiet is below 0.3)`,
    `peers: ${versions.join(', ')}`,
  ].join('\n');
}
