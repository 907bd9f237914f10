/** What really ran, as a table: `tsrun run --trace`. */
import type { OpName } from '../kernel/ops.ts';
import { OPS } from '../kernel/ops.ts';
import type { TraceEntry } from '../kernel/report.ts';
import { errnoName } from '../runtime/failure.ts';
import { shortCall } from './short-call.ts';

/** Wide enough for most calls; a trace is read in a pager or a wide terminal. */
const CALL_WIDTH = 100;
/** `EOPNOTSUPP!`, `ENOENT, fine` */
const RESULT_WIDTH = 13;

/** One line for each op, in the order the ops were started by whichever process; times in milliseconds. */
export function formatTrace(trace: readonly TraceEntry[]): string {
  const ran = trace
    .filter((entry) => entry.outcome !== 'not reached')
    .toSorted((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : a.index - b.index));
  const [first] = ran;
  if (first === undefined) return 'No kernel operation ran.\n';
  const lines = ['      at    took  who      result         operation'];
  let title = '';
  for (const entry of ran) {
    if (entry.group.title !== title) lines.push('', entry.group.title);
    title = entry.group.title;
    lines.push(lineOf(entry, first.startNs));
  }
  return `${[...lines, '', ...totals(ran, first.startNs)].join('\n')}\n`;
}

function lineOf(entry: TraceEntry, originNs: bigint): string {
  const at = milliseconds(entry.startNs - originNs).padStart(8);
  // The process that called execve is gone when it succeeds: nobody is there to look at the clock.
  const took = (
    entry.op.op === 'execve' && entry.outcome === 'done' ? '' : milliseconds(entry.durationNs)
  ).padStart(7);
  const columns = [at, took, ` ${entry.group.who.padEnd(7)}`, ` ${resultOf(entry).padEnd(RESULT_WIDTH)}`];
  return `${columns.join(' ')}  ${shortCall(entry.op, CALL_WIDTH)}`;
}

/** What the number that an op returned means, where it means something. */
const RESULTS: { readonly [N in OpName]?: (result: number) => string } = {
  clone3: (pid) => `pid ${pid}`,
  mask: (covered) => (covered === 0 ? 'not there' : ''),
  setrlimit: (clamped) => (clamped === 0 ? '' : 'clamped'),
  umask: (before) => `was 0${before.toString(8)}`,
};

function resultOf({ op, outcome, result }: TraceEntry): string {
  switch (outcome) {
    case 'done': {
      const opens = Object.values(OPS[op.op].fields).some((kind) => (kind as string) === 'into');
      return RESULTS[op.op]?.(result) ?? (opens ? `fd ${result}` : '');
    }
    case 'tolerated':
      return `${errnoName(-result)}, fine`;
    case 'failed':
      return `${errnoName(-result)}!`;
    case 'skipped':
    case 'not reached':
      return outcome;
    default:
      return outcome satisfies never;
  }
}

function totals(ran: readonly TraceEntry[], originNs: bigint): readonly string[] {
  const count = `${ran.length} operations`;
  const exec = ran.find((entry) => entry.op.op === 'execve' && entry.outcome === 'done');
  if (exec === undefined) return [`${count}; the program did not start.`];
  const start = `${count}; ${milliseconds(exec.startNs - originNs)} ms from the first one to exec`;
  // Cleanup begins when the helper has learned that the program has ended.
  const after = ran.find((entry) => entry.group.who === 'cleanup');
  return [
    after === undefined
      ? `${start}.`
      : `${start}; the program ran for ${milliseconds(after.startNs - exec.startNs)} ms.`,
  ];
}

function milliseconds(ns: bigint): string {
  return (Number(ns) / 1e6).toFixed(3);
}
