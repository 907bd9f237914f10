/** Three OCI runtimes by their command line, as an engine calls them: tsrun-oci, runc and crun with one bundle. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelRelease, readHostFacts } from '../../src/runtime/host-facts.ts';
import { DEFAULT_CAPABILITIES } from '../../src/security/capabilities.ts';
import { defaultSeccomp } from '../../src/security/seccomp-default.ts';
import { kernelVersionOf } from '../../src/spec/docker-seccomp.ts';
import { stringifyExactJson } from '../../src/spec/exact-json.ts';
import type { LinuxSeccomp } from '../../src/spec/seccomp.ts';
import { median, REPOSITORY, type Sample, sampleInTurn } from './measure.ts';
import { openV1View } from './v1-view.ts';

const ROUNDS = 30;
const PARALLEL_ROUNDS = 3;
const CONTAINERS = 100;

const RUNTIMES = {
  'tsrun-oci': [join(REPOSITORY, 'dist/bin/tsrun-oci')],
  // It warns at each try to remove a cgroup; errors are on standard error all the same.
  runc: ['runc', '--log', '/dev/null'],
  crun: ['crun'],
} as const;
type Name = keyof typeof RUNTIMES;
const NAMES = Object.keys(RUNTIMES) as Name[];

/** The life of a container, in order; each step is timed. `sleeper` and `once` are bundles. */
const STEPS = {
  create: ['create', '--bundle', 'sleeper', 'bench'],
  state: ['state', 'bench'],
  start: ['start', 'bench'],
  exec: ['exec', 'bench', '/bin/true'],
  kill: ['kill', 'bench', 'KILL'],
  delete: ['delete', '--force', 'bench'],
  run: ['run', '--bundle', 'once', 'bench'],
  'run, with a filter of system calls': ['run', '--bundle', 'filtered', 'bench'],
} as const;
type Step = keyof typeof STEPS;
const STEP_NAMES = Object.keys(STEPS) as Step[];

export async function benchOci(scratch: string): Promise<void> {
  const directory = join(scratch, 'oci');
  const rootfs = join(directory, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  execFileSync('tar', ['-xf', join(REPOSITORY, '.cache/images/busybox.layer.tar'), '-C', rootfs]);
  makeBundle(directory, rootfs, 'sleeper', { args: ['sleep', '1000'] });
  makeBundle(directory, rootfs, 'once', { args: ['/bin/true'] });
  makeBundle(directory, rootfs, 'filtered', { args: ['/bin/true'], seccomp: engineFilter() });

  using view = await openV1View();
  try {
    printLife(measureLife(directory, view.enter));
    printParallel(measureParallel(directory, view.enter));
  } finally {
    for (const name of NAMES) removeAll(directory, name, view.enter);
  }
}

/** Samples of each step by runtime. */
type Life = Readonly<Record<Name, Readonly<Record<Step, readonly Sample[]>>>>;

/** No cgroup is warmed before a step: all three pay for their moves as they do under an engine. */
function measureLife(directory: string, enter: readonly string[]): Life {
  const steps = NAMES.flatMap((name) => STEP_NAMES.map((step) => ({ name, step })));
  const contestants = steps.map(({ name, step }) => {
    const words = STEPS[step].map((word) =>
      ['sleeper', 'once', 'filtered'].includes(word) ? join(directory, word) : word,
    );
    return { name: `${name} ${step}`, command: [...runtime(directory, name), ...words] };
  });
  const rows = sampleInTurn(ROUNDS + 1, contestants, { enter }).slice(1);
  const samplesOf = (name: Name, step: Step) => {
    const column = steps.findIndex((one) => one.name === name && one.step === step);
    return rows.flatMap((row) => row[column] ?? []);
  };
  return perRuntime((name) => perStep((step) => samplesOf(name, step)));
}

function printLife(life: Life): void {
  /** The median of what the steps came to in each round. */
  const medianOf = (name: Name, figure: (sample: Sample) => number, ...steps: Step[]) =>
    median(
      life[name].create.map((_, round) =>
        steps
          .flatMap((step) => life[name][step][round] ?? [])
          .reduce((sum, sample) => sum + figure(sample), 0),
      ),
    );
  const rows = (figure: (sample: Sample) => number) =>
    STEP_NAMES.map((step) => [step, (name: Name) => medianOf(name, figure, step)] as const);
  const withWhole = (figure: (sample: Sample) => number) => [
    ['create + start + delete', (name: Name) => medianOf(name, figure, 'create', 'start', 'delete')] as const,
    ...rows(figure),
  ];
  printRatios(
    'OCI runtimes, elapsed, median ms',
    withWhole(({ milliseconds }) => milliseconds),
  );
  printRatios(
    'OCI runtimes, processor time, median ms',
    withWhole(({ cpuMilliseconds }) => cpuMilliseconds),
  );
  printRatios(
    'OCI runtimes, peak memory, median MiB',
    rows(({ peakKib }) => peakKib / 1024),
  );
}

/** Median milliseconds of so many creates at once, and of as many deletes. */
function measureParallel(directory: string, enter: readonly string[]) {
  const each = (name: Name, words: string, then: string) => {
    const command = [...runtime(directory, name), words].join(' ');
    return ['sh', '-ec', `for i in $(seq ${CONTAINERS}); do ${command} bench-$i & done; wait; ${then}`];
  };
  // A shell's wait does not tell whether all succeeded.
  const count = (name: Name, expected: number) => `[ $(ls ${root(directory, name)} | wc -l) = ${expected} ]`;
  const contestants = NAMES.flatMap((name) => [
    {
      name: `${name} create`,
      command: each(name, `create --bundle ${join(directory, 'sleeper')}`, count(name, CONTAINERS)),
    },
    { name: `${name} delete`, command: each(name, 'delete --force', count(name, 0)) },
  ]);
  const rows = sampleInTurn(PARALLEL_ROUNDS, contestants, { enter });
  const medianOf = (column: number) => median(rows.map((row) => row[column]?.milliseconds ?? Number.NaN));
  return perRuntime((name) => ({
    create: medianOf(2 * NAMES.indexOf(name)),
    delete: medianOf(2 * NAMES.indexOf(name) + 1),
  }));
}

function printParallel(times: ReturnType<typeof measureParallel>): void {
  printRatios(`${CONTAINERS} at once, median ms of ${PARALLEL_ROUNDS} rounds`, [
    [`${CONTAINERS} creates`, (name) => times[name].create],
    [`${CONTAINERS} deletes`, (name) => times[name].delete],
  ]);
}

/** A Markdown table: what each runtime took, and how tsrun-oci stands to the others. */
function printRatios(title: string, rows: readonly (readonly [string, (name: Name) => number])[]): void {
  console.log(
    `\n### ${title}\n\n| what | ${NAMES.join(' | ')} | to runc | to crun |\n|---|---:|---:|---:|---:|---:|`,
  );
  for (const [what, of] of rows) {
    const values = NAMES.map((name) => of(name).toFixed(1));
    const ratios = (['runc', 'crun'] as const).map((peer) => (of('tsrun-oci') / of(peer)).toFixed(2));
    console.log(`| ${[what, ...values, ...ratios].join(' | ')} |`);
  }
}

/** runc's example configuration, which all three accept. */
function makeBundle(
  directory: string,
  rootfs: string,
  name: string,
  { args, seccomp }: { readonly args: readonly string[]; readonly seccomp?: LinuxSeccomp },
): void {
  const bundle = join(directory, name);
  mkdirSync(bundle);
  execFileSync('runc', ['spec'], { cwd: bundle });
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.process = { ...config.process, terminal: false, args };
  config.root = { path: rootfs, readonly: true };
  config.linux.seccomp = seccomp;
  writeFileSync(file, stringifyExactJson(config));
}

/** Docker's profile: what an engine asks for. */
function engineFilter(): LinuxSeccomp {
  return defaultSeccomp(DEFAULT_CAPABILITIES, readHostFacts().arch, kernelVersionOf(kernelRelease()));
}

function root(directory: string, name: Name): string {
  return join(directory, `${name}-root`);
}

function runtime(directory: string, name: Name): readonly string[] {
  return [...RUNTIMES[name], '--root', root(directory, name)];
}

function removeAll(directory: string, name: Name, enter: readonly string[]): void {
  const call = (...words: string[]) => {
    const [program = '', ...args] = [...enter, ...runtime(directory, name), ...words];
    return execFileSync(program, args, { encoding: 'utf8' });
  };
  for (const id of call('list', '-q').split('\n').filter(Boolean)) call('delete', '--force', id);
}

function perRuntime<T>(of: (name: Name) => T): Readonly<Record<Name, T>> {
  return Object.fromEntries(NAMES.map((name) => [name, of(name)])) as Record<Name, T>;
}

function perStep<T>(of: (step: Step) => T): Readonly<Record<Step, T>> {
  return Object.fromEntries(STEP_NAMES.map((step) => [step, of(step)])) as Record<Step, T>;
}
