/** Binary search as BPF: which of many ranges does the value in the accumulator lie in? */
import { type BpfAssembler, JUMP_IF_AT_LEAST, JUMP_IF_EQUAL, type Label } from './bpf-assembler.ts';

/** Values from `first` up to the next target's `first` go to `label`. */
export interface SearchTarget {
  readonly first: number;
  readonly label: Label;
}

/**
 * Writes the search and returns its entry. `targets` are ascending; a value below the first one goes there, too.
 * n targets take at most n-1 instructions, of which log2(n) are executed.
 */
export function writeSearch(asm: BpfAssembler, targets: readonly SearchTarget[]): Label {
  return searchWithin(asm, targets, 0, targets.length);
}

function searchWithin(asm: BpfAssembler, targets: readonly SearchTarget[], from: number, to: number): Label {
  const first = at(targets, from);
  if (to - from === 1) return first.label;
  if (to - from === 3) {
    const [single, rest] = [at(targets, from + 1), at(targets, from + 2)];
    if (rest.label === first.label && rest.first === single.first + 1)
      return asm.branch(JUMP_IF_EQUAL, single.first, single.label, first.label);
  }
  const middle = (from + to) >> 1;
  const upper = searchWithin(asm, targets, middle, to);
  const lower = searchWithin(asm, targets, from, middle);
  return asm.branch(JUMP_IF_AT_LEAST, at(targets, middle).first, upper, lower);
}

function at(targets: readonly SearchTarget[], index: number): SearchTarget {
  const target = targets[index];
  if (target === undefined) throw new Error(`no search target ${index}`);
  return target;
}
