/** Signals to the processes of a container. OCI runtime-spec, runtime.md, Kill. */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { ContainerCgroups } from '../../cgroup/host.ts';
import { native } from '../../kernel/native.ts';
import { errnoOf, TsrunError } from '../../lib/errors.ts';
import { writeFileIfThere } from '../../lib/files.ts';
import { whileFrozen } from './freezer.ts';
import type { BundleContainer } from './record.ts';

/** To its first process. Throws when that has ended. */
export function signalProcess(
  { id, process }: Pick<BundleContainer, 'id' | 'process'>,
  signal: number,
): void {
  const sent = process === undefined ? -1 : native().tsr_kill(process.pid, process.started, signal);
  // Engines know these words.
  if (sent < 0) throw new TsrunError('NOT_RUNNING', `container not running: ${id}`, { exitCode: 1 });
}

/** Kills its first process, which may have ended. */
export function endProcess(container: Pick<BundleContainer, 'id' | 'process'>): void {
  try {
    signalProcess(container, constants.signals.SIGKILL);
  } catch (error) {
    if (!(error instanceof TsrunError) || error.code !== 'NOT_RUNNING') throw error;
  }
}

/** The numbers of the processes in its cgroup and those below, as the host has them. */
export function processesOf(cgroups: ContainerCgroups): readonly number[] {
  const directory = cgroups.v2 ?? cgroups.v1.pids ?? Object.values(cgroups.v1)[0];
  return directory === undefined ? [] : processesIn(directory);
}

/** To all of its processes, also those that are forked meanwhile. One that has ended is passed over. */
export function signalAll(cgroups: ContainerCgroups, signal: number): void {
  const { v2 } = cgroups;
  // It is there since Linux 5.14.
  if (signal === constants.signals.SIGKILL && v2 !== undefined && writeFileIfThere(`${v2}/cgroup.kill`, '1'))
    return;
  whileFrozen(cgroups, () => {
    for (const pid of processesOf(cgroups)) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (errnoOf(error) !== 'ESRCH') throw error;
      }
    }
  });
}

function processesIn(directory: string): readonly number[] {
  try {
    const own = readFileSync(`${directory}/cgroup.procs`, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own.map(Number), ...below.flatMap(({ name }) => processesIn(`${directory}/${name}`))];
  } catch (error) {
    // ENODEV: removed between opening and reading.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return [];
    throw error;
  }
}
