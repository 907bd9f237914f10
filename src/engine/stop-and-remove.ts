/** Removing a container that may still run: its helper has cleaning up of its own to do, and is waited for. */
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { TsrunError } from '../lib/errors.ts';
import { isAlive } from '../runtime/process-mark.ts';
import { readOwner } from './container-record.ts';
import { type Container, removeContainer, signalContainer } from './container-store.ts';
import type { EnginePaths } from './paths.ts';

const POLL_MS = 5;
const POLL_LIMIT_MS = 10_000;

/** A running container is only removed by force. */
export async function stopAndRemove(paths: EnginePaths, container: Container, force: boolean): Promise<void> {
  const { record, state } = container;
  // Read before it ends: it removes its own mark while it still holds the ports of the container.
  const owner = readOwner(paths, record.id);
  if (state.status === 'running') {
    if (!force) {
      throw new TsrunError('STILL_RUNNING', `Cannot remove container ${record.name}: it is running`, {
        hint: `stop it first (tsrun kill ${record.name}), or remove it with -f`,
        exitCode: 1,
      });
    }
    signalContainer(container, constants.signals.SIGKILL);
  }
  for (let waitedMs = 0; owner !== undefined && isAlive(owner); waitedMs += POLL_MS) {
    if (waitedMs > POLL_LIMIT_MS) {
      throw new TsrunError('HELPER_STAYS', `Cannot remove container ${record.name}: its helper does not end`);
    }
    await setTimeout(POLL_MS);
  }
  await removeContainer(paths, record);
}
