/** An op as a call that fits on one line: long strings, lists and byte runs are abbreviated, longest first to go. */
import { describeOp } from '../kernel/describe.ts';
import type { Op } from '../kernel/ops.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { cut } from './wrap.ts';

/** Characters a string may keep, in the order tried; the last resort is to cut the line itself. */
const STRING_LIMITS = [Number.POSITIVE_INFINITY, 80, 48, 32, 20, 12];

export function shortCall(op: Op, width: number): string {
  const calls = STRING_LIMITS.flatMap((limit) => {
    const call = escapeForTerminal(describeOp(abbreviate(op, limit)));
    return [call, shareFlagPrefix(call)];
  });
  return cut(calls.find((call) => call.length <= width) ?? calls.at(-1) ?? '', width);
}

/** `CLONE_NEWNS|CLONE_NEWPID` → `CLONE_NEWNS|NEWPID` */
function shareFlagPrefix(call: string): string {
  return call.replace(/\b(CLONE|MOUNT_ATTR|RESOLVE|O|MS)_\w+(\|\1_\w+)+/g, (flags, prefix: string) =>
    flags.replaceAll(`|${prefix}_`, '|'),
  );
}

function abbreviate(op: Op, limit: number): Op {
  const fields = Object.entries(op).map(([name, value]) => [name, shorten(name, value, limit)]);
  return Object.fromEntries(fields) as Op;
}

function shorten(name: string, value: unknown, limit: number): unknown {
  if (name === 'op' || name === 'why' || name === 'tolerate') return value;
  if (typeof value === 'string') return middle(value, limit);
  if (Array.isArray(value) && value.every((v) => typeof v === 'string')) return shortenList(value, limit);
  return value;
}

/** The end of a path says more than its middle. */
function middle(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const head = Math.floor((limit - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (limit - 1 - head))}`;
}

function shortenList(list: readonly string[], limit: number): readonly string[] {
  if (!Number.isFinite(limit)) return list;
  const kept: string[] = [];
  let length = 0;
  for (const item of list) {
    length += item.length;
    if (kept.length > 0 && length > limit) break;
    kept.push(middle(item, limit));
  }
  return kept.length < list.length ? [...kept, `… ${list.length - kept.length} more`] : kept;
}
