/** The file strace writes, by process; and a comparison of a process's calls with the ops it is said to have run. */
import type { OpName } from '../../src/kernel/ops.ts';
import {
  abbreviated,
  type Call,
  GUARDED,
  OP_CALLS,
  OWN_CALLS,
  type Step,
  type TracedOp,
} from './strace-ops.ts';

export interface Traced extends TracedOp {
  readonly who: string;
  readonly result: string;
}

/** Lines of `tsrun run --trace`, in their order; ops that were skipped made no call and are left out. */
export function readTrace(text: string): readonly Traced[] {
  const line =
    /^ *[\d.]+ +(?:[\d.]+)? +(host|child|cleanup|undo) +(.*?) *\b(\w+)(\(.*\)(?: → [\w-]+)?…?|\(.*…)$/;
  return text.split('\n').flatMap((row) => {
    const [, who = '', result = '', name = '', call = ''] = line.exec(row) ?? [];
    if (who === '' && /^ *[\d.]+ /.test(row) && !/^\d+ operations/.test(row))
      throw new Error(`cannot read ${row}`);
    if (who === '' || result === 'skipped') return [];
    return [{ who, result, name: name as OpName, text: `${name}${call}` }];
  });
}

/** Calls by process id. A call that strace shows in two pieces stands where it began. */
export function readStrace(text: string): ReadonlyMap<number, readonly Call[]> {
  const processes = new Map<number, { name: string; text: string }[]>();
  for (const row of text.split('\n')) {
    const [, pidText = '', body = ''] = /^(\d+) +(.*)$/.exec(row) ?? [];
    const calls = processes.get(Number(pidText)) ?? [];
    processes.set(Number(pidText), calls);
    const [, resumed, rest = ''] = /^<\.\.\. (\w+) resumed>(.*)$/.exec(body) ?? [];
    const begun = calls.at(-1);
    if (resumed !== undefined && begun?.name === resumed) begun.text += rest;
    const [, name, args = ''] = /^(\w+)(\(.*)$/.exec(body) ?? [];
    if (name !== undefined) calls.push({ name, text: args.replace(/ <unfinished \.\.\.>$/, '') });
  }
  return processes;
}

export interface Both {
  /** From its own start on. */
  readonly helper: readonly Call[];
  /** From the clone up to the exec that made it the program. */
  readonly child: readonly Call[];
}

/** The two processes of a container, found by what they do. */
export function findProcesses(processes: ReadonlyMap<number, readonly Call[]>): Both {
  const isStart = ({ name, text }: Call) =>
    /^execve(at)?$/.test(name) && text.includes('["tsrun-exec", "run"');
  const all = [...processes.values()].find((calls) => calls.some(isStart));
  if (all === undefined) throw new Error('strace saw no tsrun-exec');
  const helper = all.slice(all.findIndex(isStart) + 1);
  const pid = Number(/= (\d+)$/.exec(helper.find(({ name }) => name === 'clone3')?.text ?? '')?.[1]);
  const inside = processes.get(pid);
  if (inside === undefined) throw new Error('strace saw no child of tsrun-exec');
  const exec = inside.findIndex(({ name, text }) => name === 'execve' && / = 0$/.test(text));
  return { helper, child: inside.slice(0, exec + 1) };
}

/**
 * What is wrong, or nothing: every op must find its calls, in order, and between them there may be no guarded call
 * but the executor's own. The names and paths an op gives must be among the arguments of its calls.
 */
export function compare(ops: readonly TracedOp[], calls: readonly Call[]): readonly string[] {
  let next = 0;
  const take = (step: Step, op: TracedOp): Call | undefined => {
    for (let i = next; ; i++) {
      const call = calls[i];
      if (call === undefined) return undefined;
      if (step.calls.includes(call.name) && (step.only?.(call, op) ?? true)) {
        next = i + 1;
        return call;
      }
      if (isGuarded(call)) return undefined;
    }
  };
  for (const op of ops) {
    const found: Call[] = [];
    for (const step of OP_CALLS[op.name]) {
      const repeats = step.times === 'any' || step.times === 'some';
      const before = found.length;
      for (let call = take(step, op); call !== undefined; call = repeats ? take(step, op) : undefined)
        found.push(call);
      if (found.length === before && (step.times === 'once' || step.times === 'some'))
        return [
          `${op.text}: no ${step.calls.join(' or ')} before ${show(calls.slice(next).find(isGuarded))}`,
        ];
    }
    // Without a call there are no arguments either.
    if (found.length === 0) continue;
    const missing = argumentsOf(op).filter(
      (text) => !found.some((call) => abbreviated(text).test(call.text)),
    );
    if (missing.length > 0)
      return [`${op.text}: ${missing.join(', ')} is not in ${found.map(show).join('; ')}`];
  }
  return calls
    .slice(next)
    .filter(isGuarded)
    .map((call) => `no op has ${show(call)}`);
}

function isGuarded(call: Call): boolean {
  return GUARDED.has(call.name) && !OWN_CALLS.some((own) => own.call.test(`${call.name}${call.text}`));
}

/** Strings and names of constants of an op, some with only both ends; not the count of what a list leaves out. */
function argumentsOf({ name, text }: TracedOp): readonly string[] {
  if (name === 'record_pid' || name === 'record_exit' || text.endsWith('…')) return [];
  // What a netlink op says for an error message is not sent.
  const sent = name === 'netlink' ? text.replace(/\bwhat="[^"]*"/, '') : text;
  const strings = [...sent.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, string]) => `"${string}"`);
  const flags = [...text.matchAll(/\b(?:CLONE_NEW|MOUNT_ATTR_|MNT_|MS_|FSCONFIG_|PR_SET_|RESOLVE_)\w+/g)].map(
    ([flag]) => flag,
  );
  return [...strings, ...flags].filter((s) => !s.startsWith('"… '));
}

function show(call: Call | undefined): string {
  return call === undefined ? 'the end' : `${call.name}${call.text}`.slice(0, 200);
}
