/** Resource limits of the process. setrlimit(2). */
import type { Op } from '../kernel/ops.ts';
import type { Int64, RlimitSpec } from '../spec/runtime.ts';
import { rlimitNumber } from './rlimits.ts';

/** `mayRaise`: whether the caller has CAP_SYS_RESOURCE, without which no hard limit can be raised. */
export function planRlimits(rlimits: readonly RlimitSpec[], mayRaise: boolean): readonly Op[] {
  const bound = mayRaise
    ? 'where the host does not allow as much, the most it allows'
    : 'at most what the caller has, for root lacks CAP_SYS_RESOURCE here and can raise no limit';
  return rlimits.map(({ type, soft, hard }) => ({
    op: 'setrlimit',
    resource: rlimitNumber(type),
    soft: unlimited(soft),
    hard: unlimited(hard),
    why: `The limit ${type}; ${bound}.`,
  }));
}

/** RLIM_INFINITY is all ones; people and JSON write -1. */
function unlimited(value: Int64): bigint {
  return value < 0 ? 0xffffffffffffffffn : BigInt(value);
}
