/** Asking again: how often, and after what time. */
import { setTimeout as delay } from 'node:timers/promises';

export interface RetryLimits {
  /** How often something is asked for, the first time included. */
  readonly attempts: number;
  /** Before the second attempt; it doubles with each. */
  readonly firstDelayMs: number;
  /** A registry that wants us to wait longer (Retry-After) is taken at its word, and not asked again. */
  readonly longestDelayMs: number;
}

export const RETRY_LIMITS: RetryLimits = { attempts: 5, firstDelayMs: 500, longestDelayMs: 60_000 };

/** Before attempt `n` + 1, with a part left to chance: many clients that failed together do not come back together. */
export function backOffMs({ firstDelayMs, longestDelayMs }: RetryLimits, n: number): number {
  return Math.min(firstDelayMs * 2 ** (n - 1) * (0.75 + Math.random() / 2), longestDelayMs);
}

/** Retry-After: seconds or a date (RFC 9110 section 10.2.3), in milliseconds from `nowMs`. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

export async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => signal?.throwIfAborted());
}
