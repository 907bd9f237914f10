/**
 * `--format` as Docker's commands take it: `json`, or a Go template such as `{{.Name}}: {{json .Limits}}`. Of Go's
 * templates this is the part with text, fields, `json`, and `range` up to its `end`; the rest is refused.
 */
import { TsrunError } from '../lib/errors.ts';
import { formatTable } from './table.ts';

export type Row = Readonly<Record<string, unknown>>;

/** A format for one thing, whose fields are `names`. */
export function compileFormat(format: string, names: readonly string[]): (row: Row) => string {
  if (format === 'json') return (row) => `${JSON.stringify(row)}\n`;
  const parts = parseTemplate(format, names);
  return (row) => `${parts.map((part) => printPart(part, row)).join('')}\n`;
}

/** A format for a list, with a line for each row; `table ` in front asks for a header, made of the titles of the fields. */
export function compileListFormat(
  format: string,
  titles: Readonly<Record<string, string>>,
): (rows: readonly Row[]) => string {
  const [, template] = /^table\s+(.*)$/s.exec(format) ?? [];
  if (template === undefined) {
    const line = compileFormat(format, Object.keys(titles));
    return (rows) => rows.map(line).join('');
  }
  const parts = parseTemplate(template, Object.keys(titles));
  const cells = (row: Row) =>
    parts
      .map((part) => printPart(part, row))
      .join('')
      .split('\t');
  const header = parts.map((part) => ('text' in part ? part.text : titles[part.path[0] ?? ''])).join('');
  return (rows) => formatTable(header.split('\t'), rows.map(cells));
}

type Part =
  | { readonly text: string }
  | { readonly path: readonly string[]; readonly json: boolean }
  /** For each element of a list, or each value of an object. */
  | { readonly path: readonly string[]; readonly each: readonly Part[] };

/** `names` are the fields there are outside of any range. */
function parseTemplate(format: string, names: readonly string[]): readonly Part[] {
  const refuse = (why: string, hint: string) =>
    new TsrunError('BAD_FORMAT', `Cannot use --format ${JSON.stringify(format)}: ${why}`, { hint });
  const hint = "write fields as {{.Name}} or {{json .Name}}, or 'json' for all of them";
  const whole: Part[] = [];
  /** Those that have begun, the innermost last. */
  const ranges: Part[][] = [];
  for (const piece of format.split(/(\{\{.*?\}\})/s)) {
    const parts = ranges.at(-1) ?? whole;
    const [, action] = /^\{\{\s*(.*?)\s*\}\}$/s.exec(piece) ?? [];
    if (action === undefined) {
      if (piece.includes('{{')) throw refuse('a {{ has no }}', hint);
      // A shell passes \t on as two characters.
      parts.push({ text: piece.replaceAll('\\t', '\t').replaceAll('\\n', '\n') });
      continue;
    }
    if (action === 'end') {
      if (ranges.pop() === undefined) throw refuse('an {{end}} has no {{range}}', hint);
      continue;
    }
    const [, word, path] = /^(?:(json|range)\s+)?\.(|[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)$/.exec(action) ?? [];
    if (path === undefined) throw refuse(`{{${action}}} is neither a field nor json of one`, hint);
    const steps = path === '' ? [] : path.split('.');
    if (ranges.length === 0 && steps[0] !== undefined && !names.includes(steps[0]))
      throw refuse(`there is no field ${steps[0]}`, `the fields are ${names.join(', ')}`);
    if (word !== 'range') {
      parts.push({ path: steps, json: word === 'json' });
      continue;
    }
    const each: Part[] = [];
    parts.push({ path: steps, each });
    ranges.push(each);
  }
  if (ranges.length > 0) throw refuse('a {{range}} has no {{end}}', hint);
  return whole;
}

function printPart(part: Part, thing: unknown): string {
  if ('text' in part) return part.text;
  const value = part.path.reduce(fieldOf, thing);
  if ('each' in part)
    return elementsOf(value)
      .flatMap((element) => part.each.map((inner) => printPart(inner, element)))
      .join('');
  if (part.json || (typeof value === 'object' && value !== null)) return JSON.stringify(value) ?? 'null';
  return value === undefined || value === null ? '<no value>' : String(value);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Row)[name];
}

/** Of an object in the order of its keys, as Go has it; what is neither a list nor an object has none. */
function elementsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, element]) => element);
}
