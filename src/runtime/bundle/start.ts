/** The start of a container that waits for it. OCI runtime-spec, runtime.md, Start. */
import { rmSync } from 'node:fs';
import { checkErrno, native } from '../../kernel/native.ts';
import { TsrunError } from '../../lib/errors.ts';
import { failureLeftAt } from '../left-report.ts';
import { runHooks } from './hooks.ts';
import { startAndAwaitReady } from './notify.ts';
import { type BundleContainer, startSocket } from './record.ts';
import { endProcess } from './signal.ts';

/**
 * Returns when the program runs. Throws when it could not be run; then the container is stopped. Throws HOOK_FAILED when a hook
 * failed; then it is to be destroyed. runtime.md, Lifecycle, steps 7 and 9. With `notifySocket` it returns when the program is ready.
 */
export function startContainer(container: BundleContainer, notifySocket: string | undefined): void {
  checkCreated(container);
  const start = () => startCreated(container);
  if (notifySocket === undefined) start();
  else startAndAwaitReady(container.dir, container.process, notifySocket, start);
}

function startCreated(container: BundleContainer): void {
  const socket = startSocket(container.dir);
  const fds = Buffer.alloc(8);
  checkErrno(native().tsr_start(socket, fds), `cannot start the container ${container.id}`);
  rmSync(socket, { force: true });
  const error = failureLeftAt(fds.readInt32LE(0), fds.readInt32LE(4), 'unable to start container process');
  if (error !== undefined) throw error;
  const pid = container.process?.pid ?? 0;
  runHooks(container, 'poststart', pid, (error) => {
    endProcess(container);
    throw error;
  });
}

function checkCreated({ id, status }: BundleContainer): void {
  if (status === 'created') return;
  const why =
    status === 'stopped'
      ? 'cannot start a container that has stopped'
      : 'cannot start an already running container';
  throw new TsrunError('NOT_CREATED', why, { hint: `the container ${id} is ${status}`, exitCode: 1 });
}
