/**
 * Rules on the arguments of one system call, as BPF. An argument has 64 bits and BPF 32, so each is looked at in two
 * words. Comparisons cut the number line into ranges, and several rules on one argument share one search in it;
 * only masks are tested one by one.
 */
import type { SeccompArg } from '../spec/seccomp.ts';
import { type BpfAssembler, JUMP_IF_EQUAL, type Label } from './bpf-assembler.ts';
import { type SearchTarget, writeSearch } from './bpf-search.ts';
import type { ArgumentRule, ArgumentVerdict } from './seccomp-rules.ts';

type WordBits = 32 | 64;

/** offsetof(struct seccomp_data, args) */
const ARGUMENTS_OFFSET = 16;
const WORD = 0xffffffffn;

/** Writes the code that finds the answer of `verdict` and returns its entry. Rules are tried in their order. */
export function writeArgumentRules(asm: BpfAssembler, verdict: ArgumentVerdict, wordBits: WordBits): Label {
  let next = asm.answer(verdict.otherwise);
  for (const group of groupRules(verdict.rules).reverse()) next = writeGroup(asm, group, next, wordBits);
  return next;
}

/** Neighbours with a single comparison of the same argument belong together; every other rule is alone. */
function groupRules(rules: readonly ArgumentRule[]): ArgumentRule[][] {
  const groups: ArgumentRule[][] = [];
  for (const rule of rules) {
    const last = groups.at(-1);
    const previous = last?.at(-1);
    if (
      last &&
      previous &&
      comparedArgument(rule) !== undefined &&
      comparedArgument(rule) === comparedArgument(previous)
    )
      last.push(rule);
    else groups.push([rule]);
  }
  return groups;
}

function comparedArgument({ conditions: [only, ...others] }: ArgumentRule): number | undefined {
  return only && others.length === 0 && only.op !== 'SCMP_CMP_MASKED_EQ' ? only.index : undefined;
}

function writeGroup(asm: BpfAssembler, group: readonly ArgumentRule[], next: Label, bits: WordBits): Label {
  const comparisons = group.map((rule) => ({ conditions: rule.conditions, yes: asm.answer(rule.answer) }));
  const [first] = comparisons;
  if (first === undefined) return next;
  if (comparisons.length === 1)
    return first.conditions.reduceRight(
      (yes, condition) => writeCondition(asm, condition, yes, next, bits),
      first.yes,
    );
  const cases = comparisons.flatMap(({ conditions, yes }) =>
    conditions.map((condition) => ({ condition, yes })),
  );
  return writeComparisons(asm, cases, next, bits);
}

/** `if (condition) goto yes; else goto no`. */
function writeCondition(
  asm: BpfAssembler,
  condition: SeccompArg,
  yes: Label,
  no: Label,
  bits: WordBits,
): Label {
  if (condition.op === 'SCMP_CMP_MASKED_EQ') return writeMask(asm, condition, yes, no, bits);
  return writeComparisons(asm, [{ condition, yes }], no, bits);
}

/**
 * `arg & value == valueTwo & value`, word by word; a word with an empty mask need not be loaded. Bits of valueTwo
 * outside the mask do not count, as in libseccomp.
 */
function writeMask(asm: BpfAssembler, arg: SeccompArg, yes: Label, no: Label, bits: WordBits): Label {
  const wanted = arg.valueTwo & arg.value;
  const low = writeMaskedWord(asm, lowOffset(arg), arg.value & WORD, wanted & WORD, yes, no);
  if (bits === 32) return low;
  return writeMaskedWord(asm, lowOffset(arg) + 4, arg.value >> 32n, wanted >> 32n, low, no);
}

function writeMaskedWord(
  asm: BpfAssembler,
  offset: number,
  mask: bigint,
  value: bigint,
  yes: Label,
  no: Label,
): Label {
  if (mask === 0n || yes === no) return yes;
  return asm.load(offset, asm.and(Number(mask), asm.branch(JUMP_IF_EQUAL, Number(value), yes, no)));
}

interface Case {
  readonly condition: SeccompArg;
  readonly yes: Label;
}

/** A search over the ranges into which the comparisons cut the values of one argument; the first that holds wins. */
function writeComparisons(asm: BpfAssembler, cases: readonly Case[], no: Label, bits: WordBits): Label {
  const limit = bits === 32 ? WORD : (WORD << 32n) | WORD;
  const values = cases.map(({ condition }) => condition.value & limit);
  const cuts = [...new Set([0n, ...values, ...values.map((value) => value + 1n)])]
    .filter((cut) => cut <= limit)
    .sort((a, b) => (a < b ? -1 : 1));
  const ranges = cuts.map((first) => {
    const match = cases.find(({ condition }) => compare(first, condition.op, condition.value & limit));
    return { first, label: match?.yes ?? no };
  });
  const offset = cases[0] ? lowOffset(cases[0].condition) : ARGUMENTS_OFFSET;
  return bits === 32 ? writeLowSearch(asm, ranges, offset) : writeHighSearch(asm, ranges, offset);
}

interface Range {
  readonly first: bigint;
  readonly label: Label;
}

/** The high word chooses between constant answers and searches in the low word. */
function writeHighSearch(asm: BpfAssembler, ranges: readonly Range[], offset: number): Label {
  const targets: SearchTarget[] = [];
  let before = ranges[0]?.label ?? 0;
  for (const high of new Set(ranges.map((range) => range.first >> 32n))) {
    const inside = ranges.filter((range) => range.first >> 32n === high);
    const start = { first: high << 32n, label: before };
    const label = writeLowSearch(asm, inside[0]?.first === start.first ? inside : [start, ...inside], offset);
    before = inside.at(-1)?.label ?? before;
    targets.push({ first: Number(high), label }, { first: Number(high) + 1, label: before });
  }
  return writeLoadedSearch(asm, offset + 4, targets);
}

function writeLowSearch(asm: BpfAssembler, ranges: readonly Range[], offset: number): Label {
  return writeLoadedSearch(
    asm,
    offset,
    ranges.map(({ first, label }) => ({ first: Number(first & WORD), label })),
  );
}

/** Loads a word and searches in it; when there is nothing to tell apart, does neither. */
function writeLoadedSearch(asm: BpfAssembler, offset: number, targets: readonly SearchTarget[]): Label {
  const merged = mergeTargets(targets);
  const [only, second] = merged;
  if (only && second === undefined) return only.label;
  return asm.load(offset, writeSearch(asm, merged));
}

/** Without targets beyond the word, those replaced by a later one with the same start, and repetitions. */
function mergeTargets(targets: readonly SearchTarget[]): readonly SearchTarget[] {
  const merged: SearchTarget[] = [];
  for (const target of targets) {
    if (target.first > Number(WORD)) continue;
    if (merged.at(-1)?.first === target.first) merged.pop();
    if (merged.at(-1)?.label !== target.label) merged.push(target);
  }
  return merged;
}

function compare(argument: bigint, op: SeccompArg['op'], value: bigint): boolean {
  switch (op) {
    case 'SCMP_CMP_EQ':
      return argument === value;
    case 'SCMP_CMP_NE':
      return argument !== value;
    case 'SCMP_CMP_LT':
      return argument < value;
    case 'SCMP_CMP_LE':
      return argument <= value;
    case 'SCMP_CMP_GE':
      return argument >= value;
    case 'SCMP_CMP_GT':
      return argument > value;
    case 'SCMP_CMP_MASKED_EQ':
      throw new Error('a mask is no comparison');
  }
}

function lowOffset(arg: SeccompArg): number {
  return ARGUMENTS_OFFSET + 8 * arg.index;
}
