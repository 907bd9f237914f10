/** `--debug`: a plan that says in the log what it has come to, a line for each group of its ops. */
import type { Op, OpGroup, OpName, Plan } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';

export interface DebugLog {
  /** Left out: standard error. */
  readonly file: HostPath | undefined;
  /** A line of the log for a message: what stands before the time, and behind it. */
  line(message: string): readonly [before: string, behind: string];
}

/**
 * Where the step is the same as one of runc's it has runc's words, which others look for. The child says nothing more once it has
 * told of its completion: from then on the log may be somebody else's.
 */
export function planWithLog(plan: Plan, log: DebugLog): Plan {
  const last = plan.groups.findIndex(
    (group) => group.who === 'child' && has(group, 'await_start', 'close_from'),
  );
  const isExec = plan.groups.every((group) => !has(group, 'pivot_root', 'chroot'));
  const child = plan.groups.findIndex(({ who }) => who === 'child');
  const groups = plan.groups.map((group, at): OpGroup => {
    const said = messages(group, at);
    return said.length === 0
      ? group
      : { ...group, ops: [...said.map((one) => line(one, log)), ...group.ops] };
  });
  return { ...plan, groups: [opening(log), ...groups] };

  function messages({ who, title }: OpGroup, at: number): readonly string[] {
    if (who === 'host') return [`host: ${title}`];
    if (who !== 'child' || at > last) return [];
    return [
      ...(at === child ? ['child process in init()'] : []),
      `child: ${title}`,
      ...(at === last
        ? [isExec ? 'setns_init: about to exec' : 'init: closing the pipe to signal completion']
        : []),
    ];
  }
}

function opening(log: DebugLog): OpGroup {
  return {
    who: 'host',
    title: 'The log',
    ops: [
      {
        op: 'open_log',
        into: 'log',
        path: log.file ?? '',
        why: 'Whoever looks for a mistake reads here how far it went.',
      },
      line('nsexec container setup', log),
    ],
  };
}

function line(message: string, log: DebugLog): Op {
  const [before, behind] = log.line(message);
  return { op: 'log', fd: 'log', before, behind, why: 'A step, with its time.' };
}

function has({ ops }: OpGroup, ...names: readonly OpName[]): boolean {
  return ops.some(({ op }) => names.includes(op));
}
