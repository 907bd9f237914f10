/** `tsrun logout`: forget a login. */
import { forgetCredentials } from '../registry/credentials.ts';
import { registryName } from '../registry/login.ts';
import { checkCount, parseFlags, type Syntax } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'logout' };

export const verb: Verb = { synopsis: 'logout [REGISTRY]', summary: 'Log out of a registry', flags: {}, run };

async function run(args: readonly string[], { env }: Context): Promise<number> {
  const { rest } = parseFlags({}, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 1);
  const registry = registryName(rest[0]);
  const known = await forgetCredentials(registry, env);
  print(known ? `Removed the login for ${registry}\n` : `Not logged in to ${registry}\n`);
  return 0;
}
