/** Engines beside each other in a Markdown table: a column for each, and one for how the first stands to each other one. */
import { LIMIT_SECONDS } from './engine.ts';
import { median } from './measure.ts';

export interface Comparison {
  readonly what: string;
  /** One list for each engine, with a figure for each round; Infinity where a command was ended at its time limit. */
  readonly figures: readonly (readonly number[])[];
}

/** Ratios are medians of the rounds' own: the load of the machine changes from one to the next. */
export function printComparison(
  title: string,
  unit: string,
  engines: readonly { readonly name: string }[],
  rows: readonly Comparison[],
): void {
  const names = engines.map(({ name }) => name);
  const [first = '', ...others] = names;
  const head = [`${title}, ${unit}`, ...names, ...others.map((other) => `${first} / ${other}`)];
  console.log(`\n${line(head)}\n|---|${'---:|'.repeat(head.length - 1)}`);
  for (const { what, figures } of rows) {
    const [own = [], ...theirs] = figures;
    console.log(line([what, ...figures.map(describe), ...theirs.map((their) => ratio(own, their))]));
  }
}

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

function describe(figures: readonly number[]): string {
  if (figures.includes(Infinity)) return `hung: ended after ${LIMIT_SECONDS} s`;
  const value = median(figures);
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function ratio(own: readonly number[], their: readonly number[]): string {
  if ([...own, ...their].includes(Infinity)) return '';
  const value = median(own.map((figure, round) => figure / (their[round] ?? Number.NaN)));
  return value.toFixed(value < 0.01 ? 4 : 2);
}
