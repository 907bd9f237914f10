/** What the helper becomes when an op failed: reads plan and report from the descriptors it was left, and explains. */
import { failureLeftAt } from '../../runtime/left-report.ts';
import type { OciVerb } from './verb.ts';

/** Engines know these words. */
const UNABLE = 'unable to start container process';

export const verb: OciVerb = {
  synopsis: 'internal:failed VERB PLAN-FD REPORT-FD',
  summary: 'Explain a failed start',
  flags: {},
  run([_verb, planFd, reportFd]) {
    throw failureLeftAt(Number(planFd), Number(reportFd), UNABLE) ?? new Error('the report holds no failure');
  },
};
