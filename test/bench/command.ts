/** What a person waits for: the whole command, from the shell's exec to its exit. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCgroupHost } from '../../src/runtime/cgroup-facts.ts';
import { type Contestant, PINNED_NODE, printAim, printTable, REPOSITORY, race } from './measure.ts';
import { floor } from './start.ts';

const ROUNDS = 25;
/** On top of an empty Node script and the floor, in milliseconds. */
const AIM_MS = 15;

const TSRUN = join(REPOSITORY, 'dist/bin/tsrun');

export function benchCommand(scratch: string): void {
  const directory = join(scratch, 'command');
  const rootfs = join(directory, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  execFileSync('tar', ['-xf', join(REPOSITORY, '.cache/images/busybox.layer.tar'), '-C', rootfs]);
  const env = { TSRUN_ROOT: join(directory, 'data'), TSRUN_RUN_ROOT: join(directory, 'run') };
  execFileSync(TSRUN, ['load', '-i', join(REPOSITORY, '.cache/images/busybox.tar')], {
    env: { ...process.env, ...env },
  });

  const contestants = [
    emptyScript(directory),
    floor(readCgroupHost().v2Mount, directory, rootfs),
    {
      name: 'tsrun run --rm --network none busybox true',
      command: [TSRUN, 'run', '--rm', '--network', 'none', 'busybox', 'true'],
    },
  ];
  const medians = race(ROUNDS, contestants, { env });
  const [node = Number.NaN, least = Number.NaN, ours = Number.NaN] = medians;
  printTable(
    'The whole command (ratio to an empty Node script and the floor)',
    contestants.map((c) => c.name),
    medians,
    node + least,
  );
  printAim(
    `within ${AIM_MS} ms of an empty Node script plus the floor (${(ours - node - least).toFixed(1)} ms)`,
    ours <= node + least + AIM_MS,
  );
}

export function benchVersion(scratch: string): void {
  const directory = join(scratch, 'version');
  mkdirSync(directory);
  const contestants = [emptyScript(directory), { name: 'tsrun --version', command: [TSRUN, '--version'] }];
  const medians = race(ROUNDS, contestants);
  printTable(
    'Cold start (ratio to an empty Node script)',
    contestants.map((c) => c.name),
    medians,
    medians[0] ?? Number.NaN,
  );
}

function emptyScript(directory: string): Contestant {
  const file = join(directory, 'empty.js');
  writeFileSync(file, '');
  return { name: 'node with an empty script', command: [PINNED_NODE, file] };
}
