/** What the helper becomes when an op failed: reads plan and report from the descriptors it was left, and explains. */
import { fstatSync } from 'node:fs';
import { decodePlan } from '../kernel/decode.ts';
import { readAll } from '../kernel/real-door.ts';
import { readReport, reportSize } from '../kernel/report.ts';
import { failureToError } from '../runtime/failure.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = {
  synopsis: 'internal:failed PLAN-FD REPORT-FD',
  summary: 'Explain a failed start',
  flags: {},
  run([planFd, reportFd]) {
    const plan = decodePlan(readAll(Number(planFd), fstatSync(Number(planFd)).size));
    const { failure } = readReport(plan, readAll(Number(reportFd), reportSize(plan)));
    if (failure === undefined) throw new Error('the report holds no failure');
    throw failureToError(failure);
  },
};
