/** `tsrun search`: repositories of a registry by a part of their name. */
import { DEFAULT_REGISTRY, parseReference } from '../image/reference.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { searchRegistry } from '../registry/search.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import { formatTable } from './table.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  limit: { type: 'text', value: 'NUMBER', help: 'how many are shown at most; 25 when not given' },
  'no-trunc': { type: 'switch', help: 'do not shorten descriptions' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'search' };

export const verb: Verb = {
  synopsis: 'search [flags] [REGISTRY/]TERM',
  summary: 'Look for repositories of a registry',
  flags: FLAGS,
  run,
};

const DESCRIPTION_WIDTH = 45;

function run(args: readonly string[], { env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  const limit = parseLimit(flags.limit);
  return forEach(rest, async (text) => {
    const { registry, term } = splitTerm(text);
    const found = await searchRegistry(registry, term, limit, { env });
    const rows = found.map(({ name, description, stars, isOfficial }) => {
      const words = escapeForTerminal(description.replace(/\s+/g, ' '));
      const short = words.length > DESCRIPTION_WIDTH ? `${words.slice(0, DESCRIPTION_WIDTH - 1)}…` : words;
      const shown = flags['no-trunc'] ? words : short;
      return [escapeForTerminal(name), shown, `${stars}`, isOfficial ? '[OK]' : ''];
    });
    print(formatTable(['NAME', 'DESCRIPTION', 'STARS', 'OFFICIAL'], rows));
  });
}

function parseLimit(text = '25'): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 100) return limit;
  throw usage(SYNTAX, `--limit takes a number from 1 to 100, not ${JSON.stringify(text)}`);
}

/** A registry in front is told from a part of a name as in an image's name; of the registry alone everything is asked for. */
function splitTerm(text: string): { readonly registry: string; readonly term: string } {
  if (!text.includes('/')) return { registry: DEFAULT_REGISTRY, term: text };
  const [first = ''] = text.split('/', 1);
  const { registry } = parseReference(`${first}/x`);
  return registry === DEFAULT_REGISTRY
    ? { registry, term: text }
    : { registry, term: text.slice(first.length + 1) };
}
