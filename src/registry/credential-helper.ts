/**
 * Programs that keep passwords (github.com/docker/docker-credential-helpers): `docker-credential-NAME get`, `store` or `erase`
 * with a line on standard input. They are the user's own; a pull is not on the way of a start, so Node may start them.
 */
import { execFile } from 'node:child_process';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { shown } from './errors.ts';

export type HelperAction = 'get' | 'store' | 'erase';

const NOT_FOUND = /credentials not found/i;

export function helperProgram(name: string): string {
  return `docker-credential-${name}`;
}

/** What it printed; undefined when it knows no such login. Throws LOGIN_HELPER. */
export function askHelper(
  name: string,
  action: HelperAction,
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const program = helperProgram(name);
  return new Promise((resolve, reject) => {
    const child = execFile(program, [action], { env }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if (NOT_FOUND.test(stdout) || NOT_FOUND.test(stderr)) return resolve(undefined);
      const missing = errnoOf(error) === 'ENOENT';
      const problem = missing ? 'it is not in PATH' : shown(stdout || stderr || error.message);
      reject(
        new TsrunError('LOGIN_HELPER', `Cannot ask the credential helper ${program}: ${problem}`, {
          hint: missing
            ? "install it, or take it out of credsStore and credHelpers in Docker's config.json"
            : 'unlock what it keeps passwords in, or log in again',
          cause: error,
        }),
      );
    });
    child.stdin?.on('error', () => undefined); // it may end without having read
    child.stdin?.end(`${input}\n`);
  });
}
