/**
 * A plan → a shell script that makes the same container by hand, with the tools of util-linux, coreutils and iproute2:
 * `tsrun explain --as sh`. It is made from the ops alone, so it cannot say something else than the plan does.
 */
import { posix } from 'node:path';
import type { Op, OpGroup, OpOf, Plan } from '../../kernel/ops.ts';
import { preamble } from './preamble.ts';
import { commentText, printfFormat, quote, quoteAll, quoteVariables } from './quote.ts';
import { TRANSLATIONS } from './table.ts';
import { type Relocation, ShellWriter } from './writer.ts';

export interface ShellInput {
  readonly plan: Plan;
  /** What the plan finds on disk when it starts, each directory after the one it lies in. */
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** The short names of the image's layers, and where they lead. */
  readonly layers: readonly { readonly name: string; readonly path: string }[];
}

/** `command` is how the user asked for the container, as words. */
export function planToShell(input: ShellInput, command: readonly string[]): string {
  const { plan } = input;
  const sh = new ShellWriter(relocate(plan), new Map(input.layers.map(({ name, path }) => [name, path])));
  sh.begin('host');
  sh.comment('The directories and files of the container, which the engine makes before it runs a plan.');
  for (const { path, mode } of input.directories)
    sh.line(`mkdir -m ${mode.toString(8).padStart(4, '0')} -- ${sh.hostPath(path)}`);
  for (const { path, text } of input.files)
    sh.line(`printf ${printfFormat(Buffer.from(text))} >${sh.hostPath(path)}`);
  writeGroups(sh, 'host', plan);
  sh.line('', '# --- The container runs ---');
  sh.line('exec 3<&- 6>&-', 'STATUS=0', 'wait "$UNSHARE" || STATUS=$?', 'UNSHARE=', 'exit "$STATUS"');
  sh.begin('stage_1');
  writeGroups(sh, 'child', plan);
  sh.begin('cleanup');
  sh.ending = true;
  const last = plan.groups.filter((group) => group.who === 'cleanup' || group.who === 'undo').toReversed();
  writeList(
    sh,
    last.map((group) => ({ ...group, ops: group.ops.toReversed() })),
  );
  return assemble(sh, command);
}

/** What the plan removes at the end is the container's own: the script has it below its temporary directory. */
function relocate(plan: Plan): readonly Relocation[] {
  const removals = plan.groups.filter(({ who }) => who === 'cleanup' || who === 'undo');
  const owned = removals
    .flatMap((group) => group.ops)
    .filter((op): op is OpOf<'remove_tree' | 'unlink'> => op.op === 'remove_tree' || op.op === 'unlink')
    .filter((op) => op.at === undefined);
  const taken = new Set<string>();
  return owned.map((op, i) => {
    const from = String(op.path);
    const folder = posix.basename(posix.dirname(from));
    const name = taken.has(folder) ? `${folder}-${i}` : folder;
    taken.add(name);
    return { from, to: `"$WORK"/${quote(name)}` };
  });
}

function writeGroups(sh: ShellWriter, who: 'host' | 'child', plan: Plan): void {
  writeList(
    sh,
    plan.groups.filter((group) => group.who === who),
  );
}

function writeList(sh: ShellWriter, groups: readonly OpGroup[]): void {
  sh.upcoming = groups.flatMap((group) => group.ops);
  for (const group of groups) writeGroup(sh, group);
}

function writeGroup(sh: ShellWriter, group: OpGroup): void {
  sh.line('', `# --- ${commentText(group.title)} ---`);
  if (group.who === 'undo')
    sh.comment('tsrun does this only when the start has failed; this script always does.');
  for (const op of group.ops) writeOp(sh, op);
}

function writeOp(sh: ShellWriter, op: Op): void {
  sh.comment(`${op.op}: ${op.why}`);
  sh.upcoming = sh.upcoming.slice(1);
  const missing = sh.missing(op);
  if (missing !== undefined) sh.impossible(op, `there is no ${missing}.`);
  else (TRANSLATIONS[op.op] as (op: Op, sh: ShellWriter) => void)(op, sh);
}

function assemble(sh: ShellWriter, command: readonly string[]): string {
  const stages = [...sh.functions.keys()].filter((name) => name.startsWith('stage_'));
  const body = ['host', ...stages, 'cleanup']
    .map((name) => functionText(name, sh.functions.get(name) ?? []))
    .join('\n');
  const head = preamble({
    command: commentText(`tsrun ${quoteAll(command)}`),
    bytes: quoteVariables(body),
    descriptors: sh.variables,
    limits: [...sh.limits],
    refusals: sh.refusals,
    places: [...sh.places],
    body,
  });
  return `${head}\n\n${body}\n${dispatch(stages)}`;
}

function functionText(name: string, lines: readonly string[]): string {
  const indented = lines.map((line) => (line === '' ? '' : `  ${line}`));
  return [`${name}() {`, ...indented, '}', ''].join('\n');
}

function dispatch(stages: readonly string[]): string {
  return `case \${1-} in\n  ${stages.join(' | ')}) "$1" ;;\n  *) start ;;\nesac\n`;
}
