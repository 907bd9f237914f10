/** `tsrun login`: show a registry who you are, and keep it for the next time. */
import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type Credentials, saveCredentials } from '../registry/credentials.ts';
import { checkLogin, registryName } from '../registry/login.ts';
import { askLine, askSecret } from './ask.ts';
import { forEach } from './each.ts';
import { checkCount, type FlagTable, type FlagValues, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  username: { short: 'u', type: 'text', value: 'NAME', help: 'user name' },
  password: {
    short: 'p',
    type: 'text',
    value: 'PASSWORD',
    help: 'password; others can read it in the process list',
  },
  'password-stdin': { type: 'switch', help: 'take the password from standard input' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'login' };

export const verb: Verb = {
  synopsis: 'login [flags] [REGISTRY]',
  summary: 'Log in to a registry',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 1);
  checkFlags(flags);
  return forEach([registryName(rest[0])], async (registry) => {
    const credentials = await readCredentials(flags);
    await checkLogin(registry, credentials, { env });
    const plainFile = await saveCredentials(registry, credentials, env);
    if (plainFile !== undefined) {
      process.stderr.write(
        `tsrun: warning: the password stands unencrypted in ${plainFile}; credsStore there names a helper that keeps it elsewhere\n`,
      );
    }
    print('Login Succeeded\n');
  });
}

function checkFlags({ username, password, 'password-stdin': fromStdin }: FlagValues<typeof FLAGS>): void {
  if (fromStdin && password !== undefined)
    throw usage(SYNTAX, '--password and --password-stdin exclude each other');
  if (fromStdin && username === undefined) throw usage(SYNTAX, '--password-stdin needs --username');
  if (password !== undefined)
    process.stderr.write(
      'tsrun: warning: others can read --password in the process list; use --password-stdin\n',
    );
}

async function readCredentials(flags: FlagValues<typeof FLAGS>): Promise<Credentials> {
  const given = flags['password-stdin'] ? readFileSync(0, 'utf8').replace(/\r?\n$/, '') : flags.password;
  if ((flags.username === undefined || given === undefined) && !isatty(0))
    throw usage(SYNTAX, 'standard input is no terminal: give --username and --password-stdin');
  const username = flags.username ?? (await askLine('Username: '));
  const password = given ?? (await askSecret('Password: '));
  if (username === '' || password === '') throw usage(SYNTAX, 'user name and password must not be empty');
  return { username, password };
}
