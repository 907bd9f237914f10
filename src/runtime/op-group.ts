import type { Op, OpGroup, Who } from '../kernel/ops.ts';

/** Ops under a title; none when there are no ops. */
export function group(who: Who, title: string, ops: readonly Op[]): OpGroup | undefined {
  return ops.length === 0 ? undefined : { who, title, ops };
}
