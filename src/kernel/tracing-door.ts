/** A door that shows what went through another one. */
import type { KernelDoor } from './door.ts';
import type { TraceEntry } from './report.ts';

/** `listen` is called for each op that was reached, in the order of the plan, once the container has ended. */
export function tracingDoor(door: KernelDoor, listen: (entry: TraceEntry) => void): KernelDoor {
  return {
    run(plan) {
      const launched = door.run(plan);
      for (const entry of launched.report.trace) if (entry.outcome !== 'not reached') listen(entry);
      return launched;
    },
  };
}
