/** A plan through a door, and what became of it in words: an exit status, or an error that says which op failed. */
import type { KernelDoor } from '../kernel/door.ts';
import type { Plan } from '../kernel/ops.ts';
import { EXIT_ENGINE } from '../lib/errors.ts';
import { failureToError } from './failure.ts';

/**
 * Starts the container and waits until it has ended and everything is cleaned up. Returns its exit status as a shell
 * gives it (128 + signal), or 125 when the helper was killed; of a plan without a process, 0. Throws when an op of the start
 * failed; `tried` begins its message.
 */
export function launch(plan: Plan, door: KernelDoor, tried?: string): number {
  const { report } = door.run(plan);
  if (report.failure !== undefined) throw failureToError(report.failure, tried);
  return report.exitCode ?? EXIT_ENGINE;
}
