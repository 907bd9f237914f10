/** Resource limits of the process. setrlimit(2). */
import type { Op } from '../kernel/ops.ts';
import type { RlimitSpec } from '../spec/runtime.ts';
import { rlimitNumber } from './rlimits.ts';

export function planRlimits(rlimits: readonly RlimitSpec[]): readonly Op[] {
  return rlimits.map(({ type, soft, hard }) => ({
    op: 'setrlimit',
    resource: rlimitNumber(type),
    soft: unlimited(soft),
    hard: unlimited(hard),
    why: `The limit ${type}; where the host does not allow as much, the most it allows.`,
  }));
}

/** RLIM_INFINITY is all ones; people and JSON write -1. */
function unlimited(value: number): bigint {
  return value < 0 ? 0xffffffffffffffffn : BigInt(value);
}
