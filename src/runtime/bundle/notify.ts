/** The notification socket of systemd, in a container: NOTIFY_SOCKET of the caller, sd_notify(3). As runc has it. */
import { closeSync, existsSync } from 'node:fs';
import { checkErrno, native } from '../../kernel/native.ts';
import type { HostPath } from '../../lib/brands.ts';
import type { MountSpec } from '../../spec/runtime.ts';
import type { ProcessMark } from '../process-mark.ts';

/** In the directory of the container's state: its own socket is made there, and nothing else lies there, for the container sees it. */
export const NOTIFY_DIRECTORY = 'notify';
export const NOTIFY_NAME = 'notify.sock';
const INSIDE = '/run/notify';

/** How the container finds the socket: none of it is on record, for programs that are added later are not waited for. */
export function notifyMount(dir: HostPath): MountSpec {
  const options = ['bind', 'nosuid', 'noexec', 'nodev', 'ro'];
  return { destination: INSIDE, source: `${dir}/${NOTIFY_DIRECTORY}`, options };
}

export const NOTIFY_VARIABLE = `NOTIFY_SOCKET=${INSIDE}/${NOTIFY_NAME}`;

/**
 * Runs `start`, and returns when the container has said that it is ready, which `host` hears of, or has ended. One that was made
 * without the variable is not waited for.
 */
export function startAndAwaitReady(
  dir: HostPath,
  process: ProcessMark | undefined,
  host: string,
  start: () => void,
): void {
  const directory = `${dir}/${NOTIFY_DIRECTORY}`;
  if (process === undefined || !existsSync(directory)) {
    start();
    return;
  }
  const socket = checkErrno(
    native().tsr_notify_listen(directory, NOTIFY_NAME),
    `cannot make the notification socket in ${directory}`,
  );
  try {
    start();
    checkErrno(
      native().tsr_notify_until_ready(socket, host, process.pid, process.started),
      `cannot tell ${host} that the container is ready`,
    );
  } finally {
    closeSync(socket);
  }
}
