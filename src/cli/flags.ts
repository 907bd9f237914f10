/**
 * Flags as Docker has them (Go's pflag), read from a table: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, and
 * letters of switches together, `-it`. node:util's parseArgs would take a millisecond of a cold start, and leaves half of it to do.
 */
import { EXIT_ENGINE, TsrunError } from '../lib/errors.ts';

export interface Flag {
  readonly short?: string;
  /** Docker's other names for it, which the help does not show. */
  readonly also?: readonly string[];
  /** `list` may be given several times; the last of a `text` counts. */
  readonly type: 'switch' | 'text' | 'list';
  /** How the value is called in the help text. */
  readonly value?: string;
  readonly help: string;
}
export type FlagTable = Readonly<Record<string, Flag>>;

type Value<F extends Flag> = F['type'] extends 'switch'
  ? boolean
  : F['type'] extends 'list'
    ? readonly string[]
    : string | undefined;
export type FlagValues<T extends FlagTable> = { readonly [N in keyof T]: Value<T[N]> };

export interface Parsed<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly rest: readonly string[];
}

export interface Syntax {
  /** `tsrun` when not given. */
  readonly program?: string;
  readonly verb: string;
  /** The first word that is no flag ends the flags: what follows belongs to the program in the container. */
  readonly stopsAtFirstWord?: boolean;
}

/** As Go's strconv.ParseBool reads them, which Docker uses. */
const SWITCH_WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
]);

export function parseFlags<const T extends FlagTable>(
  table: T,
  args: readonly string[],
  syntax: Syntax,
): Parsed<T> {
  const values: Record<string, boolean | string | string[] | undefined> = {};
  for (const name in table) values[name] = emptyValue(table[name] as Flag);
  const rest: string[] = [];
  for (let at = 0; at < args.length; ) {
    const word = args[at++] as string;
    if (word === '--') {
      rest.push(...args.slice(at));
      break;
    }
    if (word === '-' || !word.startsWith('-')) {
      rest.push(word);
      if (!syntax.stopsAtFirstWord) continue;
      rest.push(...args.slice(at));
      break;
    }
    for (const { shown, name: written, given } of spelledOut(table, word)) {
      const name = properName(table, written);
      const flag = Object.hasOwn(table, name) ? table[name] : undefined;
      if (flag === undefined) throw usage(syntax, `unknown flag: ${shown}`);
      if (flag.type === 'switch') {
        values[name] = switchValue(given ?? 'true', shown, syntax);
        continue;
      }
      const value = given ?? args[at++];
      if (value === undefined) throw usage(syntax, `flag needs an argument: ${shown}`);
      if (flag.type === 'list') (values[name] as string[]).push(value);
      else values[name] = value;
    }
  }
  return { flags: values as FlagValues<T>, rest };
}

function emptyValue({ type }: Flag): false | [] | undefined {
  return type === 'switch' ? false : type === 'list' ? [] : undefined;
}

function properName(table: FlagTable, written: string): string {
  if (Object.hasOwn(table, written)) return written;
  return Object.keys(table).find((name) => table[name]?.also?.includes(written)) ?? written;
}

function switchValue(text: string, shown: string, syntax: Syntax): boolean {
  const value = SWITCH_WORDS.get(text);
  if (value === undefined) throw usage(syntax, `${shown} takes true or false, not ${JSON.stringify(text)}`);
  return value;
}

interface SpelledFlag {
  /** As the user wrote it, for messages. */
  readonly shown: string;
  readonly name: string;
  /** The value that stands in the same word. */
  readonly given?: string;
}

/** The flags in one word: a long one, or letters, of which the first that is no switch takes the rest as its value. */
function spelledOut(table: FlagTable, word: string): readonly SpelledFlag[] {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=');
    if (equals < 0) return [{ shown: word, name: word.slice(2) }];
    return [{ shown: word.slice(0, equals), name: word.slice(2, equals), given: word.slice(equals + 1) }];
  }
  const found: SpelledFlag[] = [];
  for (let at = 1; at < word.length; at++) {
    const shown = `-${word[at]}`;
    const name = Object.keys(table).find((long) => table[long]?.short === word[at]) ?? '';
    const behind = word.slice(at + 1);
    if (behind.startsWith('=')) return [...found, { shown, name, given: behind.slice(1) }];
    if (behind !== '' && table[name]?.type !== 'switch' && name !== '')
      return [...found, { shown, name, given: behind }];
    found.push({ shown, name });
  }
  return found;
}

export function usage({ program = 'tsrun', verb }: Syntax, message: string): TsrunError {
  return new TsrunError('USAGE', message, { hint: `see '${program} ${verb} --help'`, exitCode: EXIT_ENGINE });
}

/** Exactly `least` to `most` words, or a usage error. */
export function checkCount(
  syntax: Syntax,
  words: readonly string[],
  least: number,
  most = Number.POSITIVE_INFINITY,
): void {
  if (words.length >= least && words.length <= most) return;
  const wanted =
    least === most
      ? `exactly ${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `${least} to ${most}`;
  throw usage(
    syntax,
    `'${syntax.program ?? 'tsrun'} ${syntax.verb}' takes ${wanted} argument${(Number.isFinite(most) ? most : least) === 1 ? '' : 's'}, not ${words.length}`,
  );
}

/** The flags of a table as help text, one a line, by name. */
export function helpOf(table: FlagTable): string {
  const sorted = Object.entries(table).toSorted(([a], [b]) => a.localeCompare(b));
  const rows = sorted.map(([name, { short, type, value, help }]) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${name}${type === 'switch' ? '' : ` ${value ?? 'VALUE'}`}`;
    return [left, help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join('');
}
