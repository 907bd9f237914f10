/** The command line of `npm run conformance`. */
import { accessSync, constants, existsSync } from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { TsrunError } from '../../src/lib/errors.ts';
import { PATH, REPOSITORY } from './places.ts';

export interface Runtime {
  /** What the table calls it: the name of its program. */
  readonly name: string;
  readonly path: string;
}

export interface ConformanceOptions {
  readonly compare: boolean;
  readonly vm: boolean;
  /** Names of suites; all there are when empty. */
  readonly suites: readonly string[];
  readonly runtimes: readonly Runtime[];
  /** A checkout of the OCI runtime-tools, whose validation programs are a third suite. */
  readonly runtimeTools: string | undefined;
  readonly timeoutSeconds: number;
  /** A test is run when its name contains one of these; every test when there are none. */
  readonly words: readonly string[];
}

export const USAGE = `usage: npm run conformance -- [options] [word…]     only the tests whose name has one of the words
  --suite NAME         runc, crun or runtime-tools; repeatable (default runc and crun)
  --runtime NAME|PATH  repeatable (default runc, crun and tsrun-oci)
  --runtime-tools DIR  a checkout of the OCI runtime-tools: its validation programs are a suite too
  --vm                 in the machine of npm run vm, which has cgroup v2
  --timeout SECONDS    the time one test may take (default 60; five times that in the machine)
  --compare            run nothing; from the kept results, what a peer passes and tsrun-oci does not`;

const OPTIONS = {
  suite: { type: 'string', multiple: true, default: [] as string[] },
  runtime: { type: 'string', multiple: true, default: ['runc', 'crun', 'tsrun-oci'] as string[] },
  'runtime-tools': { type: 'string' },
  vm: { type: 'boolean', default: false },
  timeout: { type: 'string' },
  compare: { type: 'boolean', default: false },
} as const;

export function parseConformanceOptions(args: readonly string[]): ConformanceOptions {
  const { values, positionals } = parse(args);
  const timeoutSeconds = Number(values.timeout ?? (process.env.TSRUN_VM === undefined ? 60 : 300));
  if (!(timeoutSeconds > 0)) usageError(`--timeout wants a number of seconds, not '${values.timeout}'`);
  const tools = values['runtime-tools'];
  return {
    compare: values.compare,
    vm: values.vm,
    suites: values.suite,
    runtimes: values.runtime.map(findRuntime),
    runtimeTools: tools === undefined ? undefined : resolve(tools),
    timeoutSeconds,
    words: positionals,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

/** tsrun-oci is this checkout's, from its sources; others are searched as the shell would. */
function findRuntime(word: string): Runtime {
  const name = basename(word);
  if (word.includes('/')) return { name, path: resolve(word) };
  if (word === 'tsrun-oci') return { name, path: join(REPOSITORY, 'bin/tsrun-oci') };
  const path = PATH.split(delimiter)
    .map((directory) => join(directory, word))
    .find(existsSync);
  return { name, path: path ?? usageError(`there is no ${word} in ${PATH}`) };
}

/** A program that is not there would fail every test, and look like a runtime that can nothing. */
export function checkRuntime({ path }: Runtime): void {
  try {
    accessSync(path, constants.X_OK);
  } catch (cause) {
    throw new TsrunError('CONFORMANCE_NO_RUNTIME', `Cannot run the runtime ${path}`, {
      hint: 'install it, or name another one: --runtime PATH',
      cause,
    });
  }
}

function usageError(message: string): never {
  throw new TsrunError('CONFORMANCE_USAGE', message, { hint: USAGE });
}
