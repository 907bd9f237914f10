/** A plan as a text to be read from top to bottom: `tsrun explain run`. */
import { flattenPlan, type Plan } from '../kernel/ops.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { type NumberedGroup, type NumberedOp, planSections, type Section } from './sections.ts';
import { shortCall } from './short-call.ts';
import { summarize } from './summary.ts';
import { cut, wrap } from './wrap.ts';

export interface Page {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
}

type Ink = (text: string) => string;
interface Inks {
  readonly title: Ink;
  readonly group: Ink;
  readonly why: Ink;
}

/** SGR sequences: bold, cyan, faint. */
const COLOURED: Inks = {
  title: (text) => `\u001b[1m${text}\u001b[0m`,
  group: (text) => `\u001b[36m${text}\u001b[0m`,
  why: (text) => `\u001b[2m${text}\u001b[0m`,
};
const PLAIN: Inks = { title: (text) => text, group: (text) => text, why: (text) => text };

const NUMBER_WIDTH = 4;
const SUMMARY_NAME_WIDTH = 14;

/** `command` is how the user asked for this container, as words. */
export function formatPlan(plan: Plan, command: readonly string[], { width, colour }: Page): string {
  const inks = colour ? COLOURED : PLAIN;
  const count = flattenPlan(plan).length;
  const introduction = `A container is an ordinary process that sees less. Below are the ${count} kernel operations that make this one, in order, each with its reason. None of them is run now.`;
  return `${[
    inks.title(cut(escapeForTerminal(`tsrun ${command.join(' ')}`), width)),
    '',
    ...wrap(introduction, width),
    ...planSections(plan).flatMap((section) => formatSection(section, width, inks)),
    '',
    inks.title('In short'),
    '',
    ...summarize(plan).flatMap(([name, text]) => summaryLines(name, escapeForTerminal(text), width)),
  ].join('\n')}\n`;
}

function formatSection(section: Section, width: number, inks: Inks): readonly string[] {
  return [
    '',
    inks.title(section.title.toUpperCase()),
    ...wrap(section.introduction, width),
    ...section.groups.flatMap((group) => formatGroup(group, section, width, inks)),
  ];
}

function formatGroup(group: NumberedGroup, section: Section, width: number, inks: Inks): readonly string[] {
  const meanwhile =
    group.who === 'host' && section.title !== 'Before the clone' ? ' (the helper, outside)' : '';
  return [
    '',
    inks.group(`${group.title}${meanwhile}`),
    ...group.ops.flatMap((op) => formatOp(op, width, inks)),
  ];
}

function formatOp({ number, op }: NumberedOp, width: number, inks: Inks): readonly string[] {
  const indent = ' '.repeat(NUMBER_WIDTH + 2);
  const tolerated = op.tolerate === undefined ? '' : ` It may fail with ${op.tolerate.join(' or ')}.`;
  const why = escapeForTerminal(`${op.why}${tolerated}`);
  return [
    `${`${number}`.padStart(NUMBER_WIDTH)}  ${shortCall(op, width - indent.length)}`,
    ...wrap(why, width - indent.length - 2).map((line) => `${indent}  ${inks.why(line)}`),
  ];
}

function summaryLines(name: string, text: string, width: number): readonly string[] {
  return wrap(text, width - SUMMARY_NAME_WIDTH - 2).map(
    (line, i) => `  ${(i === 0 ? name : '').padEnd(SUMMARY_NAME_WIDTH)}${line}`,
  );
}
