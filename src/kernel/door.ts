/**
 * The door between what was decided and what the kernel does: a plan goes in, what became of it comes out.
 * Three stand behind one interface: the real one (real-door.ts) starts the helper; the tracing one
 * (tracing-door.ts) shows every op that went through another door; the fake one (fake-door.ts) touches nothing.
 */
import type { Plan } from './ops.ts';
import type { Report } from './report.ts';

export interface Launched {
  /** As a shell gives it: the program's own status, 128 + signal, or 125 when it did not start. */
  readonly exitCode: number;
  readonly report: Report;
}

export interface KernelDoor {
  /** Runs the plan, and returns when the container has ended and everything is cleaned up. */
  run(plan: Plan): Launched;
}
