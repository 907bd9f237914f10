/** The suites: which tests each has, how one test is started, and what its output means. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TsrunError } from '../../src/lib/errors.ts';
import type { Runtime } from './options.ts';
import { SUITES } from './places.ts';
import { readTap } from './tap.ts';

export interface Test {
  /** The file and the name in it: `exec.bats: runc exec --env`. */
  readonly id: string;
  readonly file: string;
  readonly name: string;
}

export interface Invocation {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Verdict {
  readonly result: 'pass' | 'fail' | 'skip';
  /** Why it was skipped, or the line that failed. */
  readonly reason?: string;
}

export interface Suite {
  readonly name: string;
  listTests(): readonly Test[];
  invoke(test: Test, runtime: Runtime): Invocation;
  judge(output: string): Verdict;
}

/** The suites of the given names; all that can be run when none is named. */
export function findSuites(names: readonly string[], runtimeTools: string | undefined): readonly Suite[] {
  const suites = [
    runcSuite,
    crunSuite,
    ...(runtimeTools === undefined ? [] : [runtimeToolsSuite(runtimeTools)]),
  ];
  if (names.length === 0) return suites;
  return names.map((name) => {
    const suite = suites.find((one) => one.name === name);
    if (suite !== undefined) return suite;
    const hint =
      name === 'runtime-tools'
        ? 'say where it is: --runtime-tools DIR'
        : 'there are runc, crun and runtime-tools';
    throw new TsrunError('CONFORMANCE_USAGE', `Cannot run the suite ${name}`, { hint });
  });
}

/** runc's tests/integration, in bash for bats. Some look for the name of the program in what it says of itself: it is called by a link. */
const runcSuite: Suite = {
  name: 'runc',
  listTests() {
    const directory = join(SUITES, 'runc/tests/integration');
    return testsIn(directory, /\.bats$/, (text) =>
      [...text.matchAll(/^@test "((?:[^"\\]|\\.)*)" \{$/gm)].map(unquote),
    );
  },
  invoke: ({ file, name }, { path }) => ({
    command: [
      ...['sh', '-euc', 'ln -s "$RUNTIME" runc; RUNC=$PWD/runc exec bats "$@"', 'sh'],
      ...['--tap', '--filter', `^${name.replaceAll(/[^\w ]/g, '[$&]')}$`, file],
    ],
    env: { RUNTIME: path },
  }),
  judge: readTap,
};

/** crun's tests, in Python, which look for tests/init where they start. Runtimes with runc's command line get its two options translated. */
const crunSuite: Suite = {
  name: 'crun',
  listTests() {
    const directory = join(SUITES, 'crun/tests');
    return testsIn(directory, /^test_.*\.py$/, (text) => {
      const table = /^all_tests = \{$(.*?)^\}$/ms.exec(text)?.[1] ?? '';
      return [...table.matchAll(/^\s*"([^"]+)"\s*:/gm)].map((match) => match[1] ?? '');
    });
  },
  invoke: ({ file, name }, { name: runtime, path }) => ({
    command: ['sh', '-euc', 'ln -s "$0" tests; exec python3 "$1"', join(SUITES, 'crun/tests'), file],
    env: {
      RUN_TESTS: name,
      PYTHONPATH: join(import.meta.dirname, 'python'),
      PYTHONDONTWRITEBYTECODE: '1',
      INIT: join(SUITES, 'crun/tests/init'),
      OCI_RUNTIME: runtime === 'crun' ? path : join(import.meta.dirname, 'runc-options.sh'),
      RUNC_LIKE: path,
    },
  }),
  judge: readTap,
};

/** The programs below validation/ of the OCI runtime-tools, built; each is one test. They look for a root file system where they start. */
function runtimeToolsSuite(checkout: string): Suite {
  return {
    name: 'runtime-tools',
    listTests() {
      const programs = readdirSync(join(checkout, 'validation'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.t'))
        .toSorted();
      if (programs.length > 0) {
        return programs.map((name) => ({
          id: basename(name),
          file: join(checkout, 'validation', name),
          name,
        }));
      }
      throw new TsrunError('CONFORMANCE_USAGE', `There is no program in ${checkout}/validation`, {
        hint: 'build them, and runtimetest, as its README says',
      });
    },
    invoke: ({ file }, { path }) => ({
      command: ['sh', '-c', `cd '${checkout}' && exec "$0"`, file],
      env: { RUNTIME: path },
    }),
    judge: readTap,
  };
}

function testsIn(directory: string, files: RegExp, namesIn: (text: string) => readonly string[]): Test[] {
  return readdirSync(directory)
    .filter((name) => files.test(name))
    .toSorted()
    .flatMap((name) => {
      const file = join(directory, name);
      return namesIn(readFileSync(file, 'utf8')).map((test) => ({
        id: `${name}: ${test}`,
        file,
        name: test,
      }));
    });
}

function unquote(match: RegExpMatchArray): string {
  return (match[1] ?? '').replaceAll(/\\(.)/g, '$1');
}
