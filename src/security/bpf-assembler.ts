/**
 * An assembler for classic BPF, the language of seccomp filters (Documentation/networking/filter.rst). A conditional
 * jump reaches 255 instructions forward and never backward, so a program is written from its end: whatever an
 * instruction jumps to exists already, and is known by a label. A label that got too far away is brought nearer by a
 * copy (of a return) or by an unconditional jump, whose reach is 32 bits.
 */
import { TsrunError } from '../lib/errors.ts';

/** BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_RET|BPF_K, BPF_JMP|BPF_JA: include/uapi/linux/bpf_common.h. */
const LOAD_WORD = 0x20;
const AND = 0x54;
const RETURN = 0x06;
const JUMP_ALWAYS = 0x05;
/** BPF_JMP|BPF_K with the comparison; all comparisons are unsigned. */
export const JUMP_IF_EQUAL = 0x15;
export const JUMP_IF_AT_LEAST = 0x35;

const LONGEST_CONDITIONAL_JUMP = 255;
/** BPF_MAXINSNS: the kernel refuses a longer program. */
const MOST_INSTRUCTIONS = 4096;

/** An instruction that exists, as its distance from the end of the program. */
export type Label = number;

/** struct sock_filter, of include/uapi/linux/filter.h */
interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export class BpfAssembler {
  /** The last instruction of the program first. */
  private readonly backwards: Instruction[] = [];
  private readonly returns = new Map<number, Label>();
  private readonly nearer = new Map<Label, Label>();

  /** `return value`. */
  answer(value: number): Label {
    const label = this.returns.get(value) ?? this.emit(RETURN, value);
    this.returns.set(value, label);
    return label;
  }

  /** `A = word at offset of seccomp_data; goto next`. */
  load(offset: number, next: Label): Label {
    this.fallInto(next);
    return this.emit(LOAD_WORD, offset);
  }

  /** `A &= mask; goto next`. */
  and(mask: number, next: Label): Label {
    this.fallInto(next);
    return this.emit(AND, mask);
  }

  /** `if (A == value or A >= value) goto yes; else goto no`. */
  branch(code: typeof JUMP_IF_EQUAL | typeof JUMP_IF_AT_LEAST, value: number, yes: Label, no: Label): Label {
    if (yes === no) return yes;
    const [near, far] = [this.within(yes), this.within(no)];
    return this.emit(code, value, this.distance(near), this.distance(far));
  }

  /** The program as an array of struct sock_filter, in this (little-endian) machine's byte order. Throws `SECCOMP_TOO_LARGE`. */
  assemble(): Buffer {
    const count = this.backwards.length;
    if (count > MOST_INSTRUCTIONS)
      throw new TsrunError(
        'SECCOMP_TOO_LARGE',
        `Cannot compile the seccomp section: it takes ${count} instructions, the kernel allows ${MOST_INSTRUCTIONS}`,
        { hint: 'use fewer rules with conditions on arguments' },
      );
    const words = new Uint32Array(2 * count);
    for (const [fromEnd, { code, jt, jf, k }] of this.backwards.entries()) {
      const at = 2 * (count - 1 - fromEnd);
      words[at] = code | (jt << 16) | (jf << 24);
      words[at + 1] = k;
    }
    return Buffer.from(words.buffer);
  }

  private emit(code: number, k: number, jt = 0, jf = 0): Label {
    return this.backwards.push({ code, jt, jf, k }) - 1;
  }

  /** Instructions between the next one written and `label`: what a jump is encoded as. */
  private distance(label: Label): number {
    return this.backwards.length - 1 - label;
  }

  private fallInto(next: Label): void {
    if (this.distance(next) > 0) this.emit(JUMP_ALWAYS, this.distance(next));
  }

  /** `label`, or a copy within reach; with room for one more in between, as a branch may need two copies. */
  private within(label: Label): Label {
    if (this.distance(label) < LONGEST_CONDITIONAL_JUMP) return label;
    const known = this.nearer.get(label);
    if (known !== undefined && this.distance(known) < LONGEST_CONDITIONAL_JUMP) return known;
    const target = this.backwards[label];
    const copy =
      target?.code === RETURN ? this.emit(RETURN, target.k) : this.emit(JUMP_ALWAYS, this.distance(label));
    this.nearer.set(label, copy);
    return copy;
  }
}
