/**
 * Starts a program that must not outlive this one. It becomes init of a PID namespace whose parent dies with
 * us (PR_SET_PDEATHSIG), so even a SIGKILL to us takes it and everything it started away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Descriptors the program gets: 0 is empty, 1 and 2 go to the log, 3, 4 and 5 are socket pairs with us. */
export const GUEST_STDOUT_FD = 3;
export const GUEST_STDERR_FD = 4;
export const GUEST_STDIN_FD = 5;

const SETPRIV = ['setpriv', '--pdeathsig', 'KILL', '--'];
const UNSHARE = ['unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', '--'];

export function spawnOnLeash(command: readonly string[], logFd: number): ChildProcess {
  const [program = '', ...args] = [...SETPRIV, ...UNSHARE, ...command];
  // A session of its own: the terminal's Ctrl-C comes to us alone, and we end the machine.
  return spawn(program, args, { detached: true, stdio: ['ignore', logFd, logFd, 'pipe', 'pipe', 'pipe'] });
}

/**
 * Ends the program and all it started; the `exit` event of `leash` follows. The kill goes to the namespace's
 * init, not to its parent: then the parent reaps it, and no zombie is left to a container's idle PID 1.
 */
export function cutLeash(leash: ChildProcess): void {
  if (leash.pid === undefined || leash.exitCode !== null || leash.signalCode !== null) return;
  const children = readFileSync(`/proc/${leash.pid}/task/${leash.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean);
  for (const pid of children.length > 0 ? children.map(Number) : [leash.pid]) process.kill(pid, 'SIGKILL');
}
