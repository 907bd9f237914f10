/** The end of a container on disk and in the kernel. OCI runtime-spec, runtime.md, Delete. */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { removeCgroups } from '../../cgroup/remove-cgroups.ts';
import { TsrunError } from '../../lib/errors.ts';
import { isAlive } from '../process-mark.ts';
import { setPaused } from './freezer.ts';
import { runHooks } from './hooks.ts';
import { removeHostMounts } from './host-mounts.ts';
import type { BundleContainer } from './record.ts';
import { endProcess, signalAll } from './signal.ts';

const POLL_MS = 1;
const POLL_LIMIT_MS = 10_000;

/**
 * Ends what is left of the container's processes, and removes what `create` made. Unless forced, one that runs is refused. A
 * poststop hook that fails is a warning.
 */
export async function destroyContainer(
  container: BundleContainer,
  force: boolean,
  warn: (error: TsrunError) => void,
): Promise<void> {
  const { id, status, process, cgroups } = container;
  if (status === 'running' || status === 'paused') {
    if (!force) {
      throw new TsrunError('STILL_RUNNING', `cannot delete container ${id} that is not stopped: ${status}`, {
        hint: `end it first: kill ${id} KILL, or delete it with --force`,
        exitCode: 1,
      });
    }
  }
  if (status !== 'stopped') endProcess(container);
  if (!cgroups.areShared) signalAll(cgroups, constants.signals.SIGKILL);
  // A process that stands still does not end either.
  if (status === 'paused') setPaused(cgroups, false);
  for (let waitedMs = 0; process !== undefined && isAlive(process); waitedMs += POLL_MS) {
    if (waitedMs >= POLL_LIMIT_MS)
      throw new TsrunError('STAYS', `container ${id} does not end`, { exitCode: 1 });
    await setTimeout(POLL_MS);
  }
  if (!cgroups.areShared) removeCgroups(cgroups);
  removeHostMounts(container);
  runHooks(container, 'poststop', 0, warn);
  rmSync(container.dir, { recursive: true, force: true });
}
