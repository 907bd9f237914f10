/**
 * From the rules of a seccomp section to one verdict for every system call number of an architecture: a constant
 * answer, or an answer that depends on the arguments. The meaning is libseccomp's, as runc and crun use it:
 *
 * - a name that the architecture does not have is skipped;
 * - a rule without conditions decides alone, wherever it stands; of several, the first;
 * - of rules with conditions the first that matches decides;
 * - two conditions on the same argument make two rules: either is enough (runc and crun split them like this).
 */
import type { LinuxSeccomp, SeccompArg } from '../spec/seccomp.ts';
import { ANSWER_NO_SUCH_CALL, answerFor, isMorePermissive } from './seccomp-actions.ts';
import type { FilterArch } from './seccomp-arch.ts';
import { MULTIPLEXED } from './seccomp-multiplexed.ts';
import { SECOND_NAMES, SYSCALL_TABLES } from './syscalls.gen.ts';

/** `answer` when all conditions hold. */
export interface ArgumentRule {
  readonly answer: number;
  readonly conditions: readonly SeccompArg[];
}

/** Rules in the order they are tried, and the answer when none matches. */
export interface ArgumentVerdict {
  readonly rules: readonly ArgumentRule[];
  readonly otherwise: number;
}

export type Verdict = number | ArgumentVerdict;

/** All numbers from `first` up to the next range have this verdict. */
export interface VerdictRange {
  readonly first: number;
  readonly verdict: Verdict;
}

/** The verdicts of one section: for the calls it names, for those it does not, and for those newer than it. */
export interface SectionVerdicts {
  readonly named: ReadonlyMap<string, Verdict>;
  readonly unnamed: number;
  readonly newer: number;
}

/** What the section says about each call, by name; the same for every architecture. */
export function readVerdicts(section: LinuxSeccomp): SectionVerdicts {
  const unnamed = answerFor(section.defaultAction, section.defaultErrnoRet);
  const calls = collectRules(section, unnamed);
  const named = new Map<string, Verdict>();
  for (const [name, call] of calls) named.set(name, verdictOf(call, unnamed));
  return { named, unnamed, newer: answerForNewer(section, unnamed) };
}

/** The verdicts for `arch`, as ranges that cover every number from the architecture's first one to 2^32-1. */
export function verdictRanges(verdicts: SectionVerdicts, arch: FilterArch): readonly VerdictRange[] {
  const { named, unnamed, newer } = verdicts;
  const ranges: VerdictRange[] = [];
  let last: Verdict | undefined;
  const startRange = (first: number, verdict: Verdict): void => {
    if (verdict !== last) ranges.push({ first, verdict });
    last = verdict;
  };
  let covered = arch.firstNumber;
  let next = arch.firstNumber;
  for (const word of SYSCALL_TABLES[arch.table].split(' ')) {
    if (word.charCodeAt(0) === JUMP) {
      next = arch.firstNumber + Number(word.slice(1));
      continue;
    }
    const number = next++;
    const verdict = named.get(word);
    if (verdict === undefined) continue;
    if (number > covered) startRange(covered, number < arch.firstPrivateNumber ? unnamed : newer);
    startRange(number, verdict);
    covered = number + 1;
  }
  startRange(covered, covered === arch.firstNumber ? unnamed : newer);
  return ranges;
}

/** `@`, which sets the number of the next name in a table. */
const JUMP = 0x40;

/**
 * The answer for a call that came after the profile's author: its number is above the highest the profile names.
 * A library that gets ENOSYS tries the older call; EPERM would make it give up. runc does the same. Defaults that
 * let calls pass in some way stay as they are.
 */
function answerForNewer(section: LinuxSeccomp, unnamed: number): number {
  const passes = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(section.defaultAction);
  return passes ? unnamed : ANSWER_NO_SUCH_CALL;
}

interface CallRules {
  always: number | undefined;
  readonly sometimes: ArgumentRule[];
}

/** Every name in the section, with its rules. A rule that says what the default says changes nothing. */
function collectRules(section: LinuxSeccomp, unnamed: number): ReadonlyMap<string, CallRules> {
  const calls = new Map<string, CallRules>();
  const add = (name: string, rules: readonly ArgumentRule[]): void => {
    const call = calls.get(name) ?? { always: undefined, sometimes: [] };
    calls.set(name, call);
    for (const rule of rules) {
      if (rule.answer === unnamed) continue;
      if (rule.conditions.length > 0) call.sometimes.push(rule);
      else call.always ??= rule.answer;
    }
  };
  for (const { names, action, errnoRet, args } of section.syscalls ?? []) {
    const answer = answerFor(action, errnoRet);
    const rules = splitConditions(args ?? []).map((conditions) => ({ answer, conditions }));
    // A multiplexer hides the arguments: a permission that depends on them cannot be given, and a ban is total.
    const throughMultiplexer = !args?.length || !isMorePermissive(answer, unnamed);
    for (const name of names) {
      add(SECOND_NAMES[name] ?? name, rules);
      const multiplexer = throughMultiplexer ? MULTIPLEXED.get(name) : undefined;
      if (multiplexer) add(multiplexer.name, [{ answer, conditions: [multiplexer.selector] }]);
    }
  }
  return calls;
}

function splitConditions(args: readonly SeccompArg[]): readonly (readonly SeccompArg[])[] {
  const distinct = new Set(args.map((arg) => arg.index));
  return distinct.size === args.length ? [args] : args.map((arg) => [arg]);
}

function verdictOf(call: CallRules, unnamed: number): Verdict {
  if (call.always !== undefined) return call.always;
  return call.sometimes.length > 0 ? { rules: call.sometimes, otherwise: unnamed } : unnamed;
}
