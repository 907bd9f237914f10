import type { Plan } from '../../../src/kernel/ops.ts';
import { type PlanInput, planContainer } from '../../../src/runtime/plan.ts';
import { HOST, SAMPLES } from '../../support/sample-plans.ts';

export const SAMPLE_NAMES = Object.keys(SAMPLES);

/** The plan of one of the sample containers. */
export function samplePlan(name: string, change: (input: PlanInput) => PlanInput = (input) => input): Plan {
  const input = SAMPLES[name];
  if (input === undefined) throw new Error(`there is no sample ${name}`);
  return planContainer(change(input), HOST);
}
