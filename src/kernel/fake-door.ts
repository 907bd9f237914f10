/** A door that leads nowhere: it keeps the plans it was given and answers as a test told it to. Needs no root. */
import type { KernelDoor, Launched } from './door.ts';
import { flattenPlan, type OpName, type Plan } from './ops.ts';
import type { OpOutcome, Report } from './report.ts';

/** How the container ends, or the op that fails: the first one of that name, with this errno. */
export type FakeOutcome =
  | { readonly exitCode: number }
  | { readonly fails: OpName; readonly errno: number; readonly detail?: string };

export interface FakeDoor extends KernelDoor {
  /** Every plan that was run, the oldest first. */
  readonly plans: readonly Plan[];
}

export function fakeDoor(outcome: FakeOutcome = { exitCode: 0 }): FakeDoor {
  const plans: Plan[] = [];
  return {
    plans,
    run(plan) {
      plans.push(plan);
      return answer(plan, outcome);
    },
  };
}

function answer(plan: Plan, outcome: FakeOutcome): Launched {
  const entries = flattenPlan(plan);
  const index = 'fails' in outcome ? entries.findIndex(({ op }) => op.op === outcome.fails) : -1;
  const failed = entries[index];
  if ('fails' in outcome && failed === undefined) throw new Error(`the plan has no op ${outcome.fails}`);
  const reached = (i: number): OpOutcome =>
    failed === undefined || i < index ? 'done' : i === index ? 'failed' : 'not reached';
  const report: Report = {
    failure:
      'fails' in outcome && failed !== undefined
        ? { index, op: failed.op, errno: outcome.errno, detail: outcome.detail ?? '' }
        : undefined,
    exitCode: 'exitCode' in outcome ? outcome.exitCode : undefined,
    trace: entries.map(({ op, group }, i) => ({
      index: i,
      op,
      group,
      outcome: reached(i),
      startNs: BigInt(i),
      durationNs: 1n,
      result: 'fails' in outcome && i === index ? -outcome.errno : 0,
    })),
  };
  return { exitCode: 'exitCode' in outcome ? outcome.exitCode : 125, report };
}
