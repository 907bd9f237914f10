/** A plan and a report that a helper, or a container, left in two descriptors: what failed, in words. */
import { closeSync, fstatSync } from 'node:fs';
import { decodePlan } from '../kernel/decode.ts';
import { readAll } from '../kernel/real-door.ts';
import { readChildFailure, reportSize } from '../kernel/report.ts';
import type { TsrunError } from '../lib/errors.ts';
import { failureToError } from './failure.ts';

/** Undefined when the program runs, or has run. Closes both. */
export function failureLeftAt(planFd: number, reportFd: number, tried?: string): TsrunError | undefined {
  try {
    const plan = decodePlan(readAll(planFd, fstatSync(planFd).size));
    const failure = readChildFailure(plan, readAll(reportFd, reportSize(plan)));
    return failure && failureToError(failure, tried);
  } finally {
    closeSync(planFd);
    closeSync(reportFd);
  }
}
