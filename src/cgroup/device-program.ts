/**
 * Device rules → a program of type BPF_PROG_TYPE_CGROUP_DEVICE, which the kernel asks at each mknod(2) and open(2) of a
 * device. Documentation/bpf/standardization/instruction-set.rst; struct bpf_cgroup_dev_ctx in linux/bpf.h.
 *
 * The last rule that speaks of a kind of access decides. So the program goes through the rules from the last to the first,
 * and keeps in a register what of the wanted access no rule has decided yet: an allowing rule takes its kinds away, and
 * when none is left the answer is yes; a denying rule that finds one of its kinds left says no; and so does the end.
 */
import type { DeviceRule } from '../spec/runtime.ts';
import { accessOf } from './device-rules.ts';

/** BPF_DEVCG_DEV_*, BPF_DEVCG_ACC_* */
const TYPES: Readonly<Record<string, number>> = { b: 1, c: 2 };
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** Registers: the answer, the context, and what is taken from it. */
const [ANSWER, CONTEXT, UNDECIDED, TYPE, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5];

/** Operations on 32-bit values: class in the low three bits. */
const LOAD_WORD = 0x61;
const [MOVE, MOVE_REGISTER, AND, SHIFT_RIGHT] = [0xb4, 0xbc, 0x54, 0x74];
const [JUMP_IF_EQUAL, JUMP_UNLESS_EQUAL, JUMP_IF_ANY_BIT, EXIT] = [0x16, 0x56, 0x46, 0x95];

/** An instruction; `to` is where it jumps to. */
interface Instruction {
  readonly code: number;
  readonly to?: Label;
  readonly register?: number;
  readonly source?: number;
  /** Where in the context a value lies, in bytes. */
  readonly offset?: number;
  readonly value?: number;
}
/** The number of the rule whose instructions are over there, or one of the two ends. */
type Label = number | 'allow' | 'deny';

const INSTRUCTION_BYTES = 8;

export function compileDeviceRules(rules: readonly DeviceRule[]): Buffer {
  const parts = rules.toReversed().map((rule, i) => ruleInstructions(rule, i + 1));
  const deny = [{ code: MOVE, register: ANSWER, value: 0 }, { code: EXIT }];
  const allow = [{ code: MOVE, register: ANSWER, value: 1 }, { code: EXIT }];
  const places = new Map<Label, number>();
  const program: Instruction[] = [...PROLOGUE];
  parts.forEach((part, i) => {
    places.set(i, program.length);
    program.push(...part);
  });
  // Behind the last rule nothing is left to decide for the rest: it is denied.
  places.set(parts.length, program.length).set('deny', program.length);
  program.push(...deny);
  places.set('allow', program.length);
  program.push(...allow);
  return encode(program, places);
}

/** struct bpf_cgroup_dev_ctx: access in the upper and type in the lower half of a word, then major and minor. */
const PROLOGUE: readonly Instruction[] = [
  { code: LOAD_WORD, register: TYPE, source: CONTEXT, offset: 0 },
  { code: LOAD_WORD, register: MAJOR, source: CONTEXT, offset: 4 },
  { code: LOAD_WORD, register: MINOR, source: CONTEXT, offset: 8 },
  { code: MOVE_REGISTER, register: UNDECIDED, source: TYPE },
  { code: SHIFT_RIGHT, register: UNDECIDED, value: 16 },
  { code: AND, register: TYPE, value: 0xffff },
];

function ruleInstructions(rule: DeviceRule, next: number): readonly Instruction[] {
  const unlessEqual = (register: number, value: number | undefined): readonly Instruction[] =>
    value === undefined || value < 0 ? [] : [{ code: JUMP_UNLESS_EQUAL, register, value, to: next }];
  const bits = [...new Set(accessOf(rule))].reduce((sum, kind) => sum | (ACCESS[kind] ?? 0), 0);
  return [
    ...unlessEqual(TYPE, TYPES[rule.type ?? 'a']),
    ...unlessEqual(MAJOR, rule.major),
    ...unlessEqual(MINOR, rule.minor),
    ...(rule.allow
      ? [
          { code: AND, register: UNDECIDED, value: ~bits },
          { code: JUMP_IF_EQUAL, register: UNDECIDED, value: 0, to: 'allow' as const },
        ]
      : [{ code: JUMP_IF_ANY_BIT, register: UNDECIDED, value: bits, to: 'deny' as const }]),
  ];
}

/** struct bpf_insn: code, destination and source register, offset, value. */
function encode(program: readonly Instruction[], places: ReadonlyMap<Label, number>): Buffer {
  const bytes = Buffer.alloc(program.length * INSTRUCTION_BYTES);
  program.forEach(({ code, register = 0, source = 0, offset = 0, value = 0, to }, i) => {
    const at = i * INSTRUCTION_BYTES;
    bytes[at] = code;
    bytes[at + 1] = register | (source << 4);
    bytes.writeInt16LE(to === undefined ? offset : (places.get(to) ?? 0) - i - 1, at + 2);
    bytes.writeInt32LE(value | 0, at + 4);
  });
  return bytes;
}
