/** What every verb of `tsrun-oci` is, and what the flags before it say. */
import { resolve } from 'node:path';
import { type HostPath, hostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import { checkCount, type FlagTable, type FlagValues, parseFlags, type Syntax } from '../flags.ts';
import type { Log } from './log.ts';

export interface OciContext {
  /** Where the containers are kept. */
  readonly root: HostPath;
  readonly log: Log;
  readonly systemdCgroup: boolean;
  /** The words before the verb: whoever explains a failure gets them too. */
  readonly globalArgs: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface OciVerb {
  readonly synopsis: string;
  readonly summary: string;
  readonly flags: FlagTable;
  /** The exit status. */
  run(args: readonly string[], context: OciContext): number | Promise<number>;
}

/** Also `-pid-file`: to Go's flags, one hyphen is as good as two. The words behind the first one that is no flag stay what they are. */
export function goFlags(args: readonly string[], table: FlagTable): readonly string[] {
  const words = [...args];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--' || !word.startsWith('-')) break;
    const long = /^-([a-z][\w-]+)(=.*)?$/.exec(word);
    if (long !== null && Object.hasOwn(table, long[1] ?? '')) words[at] = `-${word}`;
    const [name = ''] = word.replace(/^--?/, '').split('=');
    const flag = table[name] ?? Object.values(table).find(({ short }) => short === name);
    if (flag !== undefined && flag.type !== 'switch' && !word.includes('=')) at++;
  }
  return words;
}

export interface ParsedVerb<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly rest: readonly string[];
}

/** The flags of a verb, and `least` to `most` words after them. */
export function parseVerb<const T extends FlagTable>(
  table: T,
  args: readonly string[],
  syntax: Syntax,
  least: number,
  most = least,
): ParsedVerb<T> {
  const parsed = parseFlags(table, goFlags(args, table), syntax);
  checkCount(syntax, parsed.rest, least, most);
  return parsed;
}

/** A path of the host, from the working directory of the caller. */
export function hostPathOf(text: string | undefined): HostPath | undefined {
  return text === undefined || text === '' ? undefined : hostPath(resolve(text));
}

export function wholeNumber(text: string | undefined, flag: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new TsrunError('USAGE', `${flag} takes a whole number, not ${JSON.stringify(text)}`, { exitCode: 1 });
}
