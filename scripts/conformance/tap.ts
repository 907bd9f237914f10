/** What a test says of itself in TAP, as bats, crun's tests_utils.py and the runtime-tools write it. */
import type { Verdict } from './suites.ts';

/**
 * The verdict on the lines of one test, or of one program with many. A plan of `1..0` is no pass: such a program gave
 * up. With a message besides it failed, without one it skipped itself.
 */
export function readTap(output: string): Verdict {
  const lines = output.split(/\r*\n/);
  const results = lines.filter((line) => /^(not )?ok\b/.test(line));
  const failed = results.find((line) => line.startsWith('not ok'));
  if (failed !== undefined) return fail(whatFailed(lines) ?? failed);
  if (results.length === 0) {
    const messages = lines.filter((line) => line.trim() !== '' && !/^(TAP version|1\.\.0)/.test(line));
    if (messages.length > 0 || !lines.some((line) => line.startsWith('1..0')))
      return fail(messages.at(-1) ?? 'no result');
    return { result: 'skip', reason: 'an empty plan' };
  }
  const skips = results.filter((line) => /#\s*skip/i.test(line));
  if (skips.length < results.length) return { result: 'pass' };
  return { result: 'skip', reason: skips[0]?.replace(/^.*#\s*skip[^\w]*/i, '') ?? '' };
}

function fail(reason: string): Verdict {
  return { result: 'fail', reason: reason.trim().slice(0, 200) };
}

/** The command at which bats stopped, or the last message of a program. */
function whatFailed(lines: readonly string[]): string | undefined {
  const command = lines.find((line) => /^#\s+`.*' failed/.test(line));
  const place = lines.find((line) => /^# \((in|from) .*line \d+/.test(line));
  if (command !== undefined) return `${command.slice(1).trim()} ${/line \d+/.exec(place ?? '')?.[0] ?? ''}`;
  // Python's last line is the command that failed, in full; what that command said stands before it.
  return lines.findLast((line) => line.trim() !== '' && !/^((not )?ok|TAP|1\.\.|Command '\[)/.test(line));
}
