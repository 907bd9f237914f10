/** Resource limits of a process: their names, their kernel numbers, and `--ulimit` (getrlimit(2)). */
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';
import type { RlimitSpec } from '../spec/runtime.ts';

/** include/uapi/asm-generic/resource.h; the same on x86 and arm. */
const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** What `-1` and `unlimited` stand for; the kernel's RLIM_INFINITY. */
export const UNLIMITED = -1;

/** The kernel's number of a limit such as RLIMIT_NOFILE. Throws `RLIMIT_UNKNOWN`. */
export function rlimitNumber(type: string): number {
  const number = Object.hasOwn(RLIMITS, type) ? RLIMITS[type] : undefined;
  if (number !== undefined) return number;
  throw new TsrunError('RLIMIT_UNKNOWN', `There is no resource limit "${escapeForTerminal(type)}"`, {
    hint: `the limits are ${Object.keys(RLIMITS).join(', ')}`,
  });
}

/**
 * Reads `--ulimit name=soft[:hard]` with Docker's rules: the name in lower case without RLIMIT_, -1 for no limit,
 * one value for both, and a soft limit not above the hard one. Throws `ULIMIT_INVALID`.
 */
export function parseUlimit(text: string): RlimitSpec {
  const [, name = '', values = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const type = `RLIMIT_${name.toUpperCase()}`;
  if (name !== name.toLowerCase() || !Object.hasOwn(RLIMITS, type))
    throw invalidUlimit(text, `no limit "${name}"`);
  const numbers = values.split(':').map((value) => parseLimit(value, text));
  const [soft = UNLIMITED, hard = soft] = numbers;
  if (numbers.length > 2) throw invalidUlimit(text, 'more than two values');
  if (rank(soft) > rank(hard)) throw invalidUlimit(text, 'the soft limit is above the hard limit');
  return { type, soft, hard };
}

function parseLimit(value: string, text: string): number {
  const number = Number(value);
  if (/^(-1|\d+)$/.test(value) && Number.isSafeInteger(number)) return number;
  throw invalidUlimit(text, `"${value}" is not a limit`);
}

function rank(limit: number): number {
  return limit === UNLIMITED ? Number.POSITIVE_INFINITY : limit;
}

function invalidUlimit(text: string, reason: string): TsrunError {
  return new TsrunError('ULIMIT_INVALID', escapeForTerminal(`Cannot read --ulimit ${text}: ${reason}`), {
    hint: 'write name=soft[:hard] with whole numbers or -1 for no limit, for example nofile=1024:20000',
  });
}
