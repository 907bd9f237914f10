/**
 * Compiles an OCI seccomp section to the classic BPF program that seccomp(2) loads. The program finds the
 * architecture, then the system call's number by binary search, then, where a rule asks for it, looks at arguments:
 * about a dozen instructions per call instead of the hundreds of a list.
 */
import type { HostArch } from '../spec/docker-seccomp.ts';
import type { LinuxSeccomp } from '../spec/seccomp.ts';
import { BpfAssembler, JUMP_IF_EQUAL, type Label } from './bpf-assembler.ts';
import { type SearchTarget, writeSearch } from './bpf-search.ts';
import { ANSWER_FOREIGN_ARCH, filterFlags } from './seccomp-actions.ts';
import { type FilterArch, HOST_ARCHITECTURES, X32_BIT } from './seccomp-arch.ts';
import { writeArgumentRules } from './seccomp-arguments.ts';
import { readVerdicts, type SectionVerdicts, type Verdict, verdictRanges } from './seccomp-rules.ts';

export interface SeccompProgram {
  /** An array of struct sock_filter, little endian: 8 bytes an instruction. */
  readonly program: Buffer;
  /** For seccomp(SECCOMP_SET_MODE_FILTER): SECCOMP_FILTER_FLAG_*, with NEW_LISTENER when the filter notifies. */
  readonly flags: number;
}

/** offsetof(struct seccomp_data, nr) and (…, arch) */
const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
/** A tracer that skips a call sets its number to -1 (ptrace(2)); that is no x32 call. */
const SKIPPED_CALL = 0xffffffff;

/**
 * The filter for `section` on a host. The host's own architecture is always filtered, others when the section lists
 * them; one that this host cannot run needs no code. Throws `SECCOMP_TOO_LARGE`.
 */
export function compileSeccomp(section: LinuxSeccomp, hostArch: HostArch): SeccompProgram {
  const [own, ...others] = HOST_ARCHITECTURES[hostArch];
  const listed = others.filter((arch) => section.architectures?.includes(arch.oci));
  const asm = new BpfAssembler();
  const writer: VerdictWriter = {
    asm,
    verdicts: readVerdicts(section),
    labels: { 32: new Map(), 64: new Map() },
  };
  let entry = asm.answer(ANSWER_FOREIGN_ARCH);
  for (const group of groupByAudit([own, ...listed]).reverse()) {
    const numbers = writeNumberSearch(writer, group);
    entry = asm.branch(JUMP_IF_EQUAL, group[0].audit, numbers, entry);
  }
  asm.load(ARCH_OFFSET, entry);
  const notifies = section.syscalls?.some((rule) => rule.action === 'SCMP_ACT_NOTIFY') ?? false;
  return { program: asm.assemble(), flags: filterFlags(section.flags ?? [], notifies) };
}

interface VerdictWriter {
  readonly asm: BpfAssembler;
  readonly verdicts: SectionVerdicts;
  /** Code that exists already; architectures of the same width share it. */
  readonly labels: Readonly<Record<FilterArch['wordBits'], Map<Verdict, Label>>>;
}

type ArchGroup = [FilterArch, ...FilterArch[]];

/** x86_64 and x32 come with the same architecture value and different numbers: one search serves both. */
function groupByAudit(arches: readonly FilterArch[]): ArchGroup[] {
  const groups = new Map<number, ArchGroup>();
  for (const arch of arches) {
    const group = groups.get(arch.audit);
    if (group) group.push(arch);
    else groups.set(arch.audit, [arch]);
  }
  return [...groups.values()];
}

/** Loads the number and searches it in the ranges of all architectures of the group. */
function writeNumberSearch(writer: VerdictWriter, group: ArchGroup): Label {
  const targets = group.flatMap((arch) =>
    verdictRanges(writer.verdicts, arch).map(
      ({ first, verdict }): SearchTarget => ({ first, label: writeVerdict(writer, verdict, arch) }),
    ),
  );
  const last = targets.at(-1);
  if (group[0].table === 'x86_64' && group.length === 1 && last)
    targets.push(
      { first: X32_BIT, label: writer.asm.answer(ANSWER_FOREIGN_ARCH) },
      { first: SKIPPED_CALL, label: last.label },
    );
  return writer.asm.load(NUMBER_OFFSET, writeSearch(writer.asm, targets));
}

function writeVerdict({ asm, labels }: VerdictWriter, verdict: Verdict, { wordBits }: FilterArch): Label {
  if (typeof verdict === 'number') return asm.answer(verdict);
  const label = labels[wordBits].get(verdict) ?? writeArgumentRules(asm, verdict, wordBits);
  labels[wordBits].set(verdict, label);
  return label;
}
