/**
 * Flags as Docker has them, read from a table. node:util's parseArgs splits the words; what a word means, where the flags
 * end and what is wrong with them is said here.
 */
import { parseArgs } from 'node:util';
import { EXIT_ENGINE, TsrunError } from '../lib/errors.ts';

export interface Flag {
  readonly short?: string;
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
  const options = Object.fromEntries(
    Object.entries(table).map(([name, flag]) => [
      name,
      {
        type: flag.type === 'switch' ? ('boolean' as const) : ('string' as const),
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, boolean | string | string[] | undefined> = Object.fromEntries(
    Object.entries(table).map(([name, { type }]) => [
      name,
      type === 'switch' ? false : type === 'list' ? [] : undefined,
    ]),
  );
  const rest: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (syntax.stopsAtFirstWord) return { flags: values as FlagValues<T>, rest: args.slice(token.index) };
      rest.push(token.value);
    } else if (token.kind === 'option') {
      const flag = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
      if (flag === undefined) throw usage(syntax, `unknown flag: ${token.rawName}`);
      if (flag.type === 'switch') {
        const given = token.value === undefined ? true : SWITCH_WORDS.get(token.value);
        if (given === undefined)
          throw usage(syntax, `${token.rawName} takes true or false, not ${JSON.stringify(token.value)}`);
        values[token.name] = given;
      } else if (token.value === undefined) {
        throw usage(syntax, `flag needs an argument: ${token.rawName}`);
      } else if (flag.type === 'list') {
        (values[token.name] as string[]).push(token.value);
      } else {
        values[token.name] = token.value;
      }
    }
  }
  return { flags: values as FlagValues<T>, rest };
}

export function usage({ verb }: Syntax, message: string): TsrunError {
  return new TsrunError('USAGE', message, { hint: `see 'tsrun ${verb} --help'`, exitCode: EXIT_ENGINE });
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
    `'tsrun ${syntax.verb}' takes ${wanted} argument${(Number.isFinite(most) ? most : least) === 1 ? '' : 's'}, not ${words.length}`,
  );
}

/** The flags of a table as help text, one a line. */
export function helpOf(table: FlagTable): string {
  const rows = Object.entries(table).map(([name, { short, type, value, help }]) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${name}${type === 'switch' ? '' : ` ${value ?? 'VALUE'}`}`;
    return [left, help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join('');
}
