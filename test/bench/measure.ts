/** Times programs with test/bench/timer.c and prints medians with their ratios. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export const REPOSITORY = join(import.meta.dirname, '../..');
export const PROGRAMS = join(REPOSITORY, '.cache/bench');
export const PINNED_NODE = join(REPOSITORY, 'node_modules/node/bin/node');

/** How many rounds: the usual number, or TSRUN_BENCH_ROUNDS, with which the benchmark itself is tried out. */
export function roundsOr(usual: number): number {
  return Number(process.env.TSRUN_BENCH_ROUNDS ?? usual);
}

export interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  /** Found open as descriptor 3. */
  readonly file?: string;
  /** Size of a fresh memory file, found as descriptor 4. */
  readonly memoryBytes?: number;
  /** When it has not ended by then it is killed, and not started again. */
  readonly limitSeconds?: number;
}

export interface Conditions {
  readonly env?: Readonly<Record<string, string>>;
  /** The cgroup.procs to write before each start; see timer.c. */
  readonly warm?: string;
  /** A command that enters the namespaces to measure in. */
  readonly enter?: readonly string[];
}

export interface Sample {
  readonly milliseconds: number;
  /** Processor time of the program and of those that it waited for. */
  readonly cpuMilliseconds: number;
  /** The most memory that one of them had at a time. */
  readonly peakKib: number;
}

/** Runs all in turn, `rounds` times after one round to warm up; the median of each, in milliseconds, Infinity for one that hung. */
export function race(
  rounds: number,
  contestants: readonly Contestant[],
  conditions: Conditions = {},
): number[] {
  const samples = runInTurn(rounds + 1, contestants, conditions).slice(1);
  return contestants.map((_, index) => {
    const times = samples.map((round) => round[index] ?? Number.NaN);
    return times.includes(Number.POSITIVE_INFINITY) ? Number.POSITIVE_INFINITY : median(times);
  });
}

/** Milliseconds: one row a round, one column a contestant; Infinity for what was over its time limit. */
export function runInTurn(
  rounds: number,
  contestants: readonly Contestant[],
  conditions: Conditions,
): number[][] {
  const rows = sampleInTurn(rounds, contestants, conditions);
  return rows.map((row) => row.map(({ milliseconds }) => milliseconds));
}

/** One row a round, one column a contestant; Infinity for the time of what was over its limit. */
export function sampleInTurn(
  rounds: number,
  contestants: readonly Contestant[],
  { env, warm, enter = [] }: Conditions,
): Sample[][] {
  const programs = contestants.flatMap(({ command, file, memoryBytes, limitSeconds }, index) => [
    ...(index === 0 ? [] : ['--']),
    ...(file === undefined ? [] : ['-f', file]),
    ...(memoryBytes === undefined ? [] : ['-m', `${memoryBytes}`]),
    ...(limitSeconds === undefined ? [] : ['-t', `${limitSeconds}`]),
    ...command,
  ]);
  const [command = '', ...words] = [
    ...enter,
    join(PROGRAMS, 'timer'),
    ...(warm === undefined ? [] : ['-w', warm]),
    '-r',
    `${rounds}`,
    ...programs,
  ];
  const output = execFileSync(command, words, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = output.trim().split('\n');
  return lines.map((line) => line.split(' ').map(parseSample));
}

function parseSample(text: string): Sample {
  if (text === 'late')
    return { milliseconds: Number.POSITIVE_INFINITY, cpuMilliseconds: Number.NaN, peakKib: Number.NaN };
  const [nanoseconds, cpuMicroseconds, peakKib] = text.split('/').map(Number);
  if (nanoseconds === undefined || cpuMicroseconds === undefined || peakKib === undefined)
    throw new Error(`timer printed ${text}`);
  return { milliseconds: nanoseconds / 1e6, cpuMilliseconds: cpuMicroseconds / 1e3, peakKib };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A Markdown table: each name with its median, and how it stands to the reference. */
export function printTable(
  title: string,
  names: readonly string[],
  medians: readonly number[],
  reference: number,
): void {
  console.log(`\n### ${title}\n\n| what | median ms | ratio |\n|---|---:|---:|`);
  names.forEach((name, index) => {
    const value = medians[index] ?? Number.NaN;
    if (!Number.isFinite(value)) console.log(`| ${name} | hung: killed after its time limit | |`);
    else
      console.log(`| ${name} | ${value.toFixed(value < 100 ? 2 : 0)} | ${(value / reference).toFixed(2)} |`);
  });
}

export function printAim(what: string, holds: boolean): void {
  console.log(`\n${holds ? 'met' : 'NOT MET'}: ${what}`);
}
