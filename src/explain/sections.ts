/** A plan in the chapters a reader thinks in, with its ops numbered in the order they are read. */
import type { Op, OpGroup, Plan, Who } from '../kernel/ops.ts';

export interface NumberedOp {
  readonly number: number;
  readonly op: Op;
}

export interface NumberedGroup {
  readonly who: Who;
  readonly title: string;
  readonly ops: readonly NumberedOp[];
}

export interface Section {
  readonly title: string;
  /** What the reader should have in mind before the first op. */
  readonly introduction: string;
  readonly groups: readonly NumberedGroup[];
}

const CHAPTERS = [
  {
    title: 'Before the clone',
    introduction:
      'The helper process on the host gets ready. Nothing here is seen by the container yet. A name after an arrow is a descriptor that later operations work on: files are addressed by descriptor, not by a path that could change its meaning.',
  },
  {
    title: 'In the child',
    introduction:
      'The clone has made a second process. It sees the new namespaces and runs the operations below; where a group says so, the helper outside works meanwhile.',
  },
  {
    title: 'At exec',
    introduction:
      'The child has become root of a small world of its own. The last rights go, then it becomes the program.',
  },
  {
    title: 'Afterwards',
    introduction: 'When the program has ended, the helper removes what was made. It goes on after an error.',
  },
  {
    title: 'Only if the start fails',
    introduction: 'These are run in addition when an operation above has failed.',
  },
] as const;

/** Cleanup and undo are given in the order they are run: the last op of the plan first. */
export function planSections(plan: Plan): readonly Section[] {
  const chapters = chaptersOf(plan);
  let number = 0;
  return CHAPTERS.map((chapter, i) => ({
    ...chapter,
    groups: (chapters[i] ?? []).map((group) => ({
      ...group,
      ops: group.ops.map((op) => ({ number: ++number, op })),
    })),
  })).filter((section) => section.groups.length > 0);
}

function chaptersOf({ groups }: Plan): readonly (readonly OpGroup[])[] {
  const has = (group: OpGroup, name: Op['op']) => group.ops.some((op) => op.op === name);
  const clone = groups.findIndex((group) => has(group, 'clone3'));
  const exec = groups.findIndex((group) => has(group, 'execve'));
  const runs = (group: OpGroup) => group.who === 'host' || group.who === 'child';
  return [
    groups.slice(0, clone + 1).filter(runs),
    groups.slice(clone + 1, exec).filter(runs),
    groups.slice(exec).filter(runs),
    backwards(groups.filter((group) => group.who === 'cleanup')),
    backwards(groups.filter((group) => group.who === 'undo')),
  ];
}

function backwards(groups: readonly OpGroup[]): readonly OpGroup[] {
  return groups.toReversed().map((group) => ({ ...group, ops: group.ops.toReversed() }));
}
