/**
 * An archive becomes an image that can run: `tsrun load` beside podman, Docker and skopeo with umoci. The archive is the same
 * for all; each has a fresh file system in each round.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENT, missingDocker, startDocker } from './docker.ts';
import { withFreshFileSystem } from './fresh-file-system.ts';
import { median, PINNED_NODE, printAim, REPOSITORY, roundsOr, type Sample, sampleInTurn } from './measure.ts';

const ROUNDS = roundsOr(5);
const FILE_SYSTEM_BYTES = 4 * 2 ** 30;
/** A command that takes longer is ended, and its row says so. */
const LIMIT_SECONDS = 60;
const SMALL_FILES = 30_000;
const FILES_PER_DIRECTORY = 50;
const AIM_PEAK_MIB = 150;
const AIM_LAG_MS = 50;
const TSRUN = join(REPOSITORY, 'dist/bin/tsrun');

interface Input {
  readonly title: string;
  readonly archive: string;
}

interface SyncedSample extends Sample {
  /** Until the files are on the disk: tsrun waits for that, the others do not. */
  readonly syncedMilliseconds: number;
}

type Load = (input: Input, root: string) => Promise<Sample>;

export async function benchImages(scratch: string): Promise<void> {
  const directory = join(scratch, 'images');
  const target = join(directory, 'fresh');
  mkdirSync(target, { recursive: true });
  const missing = missingDocker();
  if (missing !== undefined) console.log(`\nDocker is left out: ${missing}`);
  const loads: Readonly<Record<string, Load>> = {
    'tsrun load': async ({ archive }, root) => timed([TSRUN, 'load', '-q', '-i', archive], rootsIn(root)),
    'skopeo copy, umoci unpack': async ({ archive }, root) =>
      timed(['sh', '-ec', SKOPEO_UMOCI, 'sh', archive, root]),
    'podman load': async ({ archive }, root) => timed(podmanLoad(archive, root)),
    ...(missing === undefined ? { 'docker load': loadByDocker } : {}),
  };
  for (const input of [smallFiles(directory), largeImage(directory)]) {
    const samples = new Map(Object.keys(loads).map((name) => [name, [] as SyncedSample[]]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, load] of Object.entries(loads)) {
        await withFreshFileSystem(directory, target, FILE_SYSTEM_BYTES, async () => {
          const sample = await load(input, target);
          const { milliseconds } = timed(['sync', '-f', target]);
          samples.get(name)?.push({ ...sample, syncedMilliseconds: sample.milliseconds + milliseconds });
        });
      }
    }
    printResults(input, samples);
    await withFreshFileSystem(directory, target, FILE_SYSTEM_BYTES, () => printLag(input, target));
  }
}

function timed(command: readonly string[], env: Readonly<Record<string, string>> = {}): Sample {
  return sampleInTurn(1, [{ name: '', command, limitSeconds: LIMIT_SECONDS }], { env })[0]?.[0] as Sample;
}

function rootsIn(root: string) {
  return { TSRUN_ROOT: join(root, 'data'), TSRUN_RUN_ROOT: join(root, 'run') };
}

const SKOPEO_UMOCI = `
skopeo --insecure-policy copy -q oci-archive:$1 oci:$2/layout:bench
umoci unpack --image $2/layout:bench $2/bundle`;

/** podman takes a runroot of at most 50 characters. */
function podmanLoad(archive: string, root: string): readonly string[] {
  const store = ['--root', join(root, 'podman'), '--runroot', join(root, 'r')];
  return [
    'podman',
    ...store,
    '--storage-driver',
    'overlay',
    '--events-backend',
    'none',
    'load',
    '-q',
    '-i',
    archive,
  ];
}

/** The daemon does the work; its start is not counted. */
async function loadByDocker({ archive }: Input, root: string): Promise<Sample> {
  await using docker = await startDocker(root, []);
  const daemon = findDaemon(root);
  writeFileSync(`/proc/${daemon}/clear_refs`, '5'); // its peak begins anew; proc(5)
  const before = processorTime(daemon);
  const sample = timed([CLIENT, 'load', '-q', '-i', archive], docker.env);
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemon}/status`, 'utf8'))?.[1];
  const cpuMilliseconds = sample.cpuMilliseconds + processorTime(daemon) - before;
  return { ...sample, peakKib: Number(peak), cpuMilliseconds };
}

/** Milliseconds of the process and of its children that have ended: utime, stime, cutime, cstime of /proc/PID/stat, in ticks of 10 ms. */
function processorTime(pid: string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return 10 * fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
}

function findDaemon(root: string): string {
  const isDaemon = (pid: string) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words[0]?.endsWith('dockerd') && words.some((word) => word.startsWith(root));
    } catch {
      return false; // the process has ended
    }
  };
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find(isDaemon);
  if (pid === undefined) throw new Error(`no dockerd with its state in ${root}`);
  return pid;
}

function printResults({ title }: Input, samples: ReadonlyMap<string, readonly SyncedSample[]>): void {
  console.log(
    `\n### ${title}\n\n| what | median ms | ratio | until synced, ms | ratio | processor ms | peak MiB |\n|---|---:|---:|---:|---:|---:|---:|`,
  );
  const of = (rows: readonly SyncedSample[], key: keyof SyncedSample) => median(rows.map((row) => row[key]));
  const own = samples.get('tsrun load') ?? [];
  const cells = (rows: readonly SyncedSample[], key: 'milliseconds' | 'syncedMilliseconds') =>
    `${of(rows, key).toFixed(0)} | ${(of(rows, key) / of(own, key)).toFixed(2)}`;
  for (const [name, rows] of samples) {
    const cpu = of(rows, 'cpuMilliseconds').toFixed(0);
    const peak = (of(rows, 'peakKib') / 1024).toFixed(0);
    console.log(
      Number.isFinite(of(rows, 'milliseconds'))
        ? `| ${name} | ${cells(rows, 'milliseconds')} | ${cells(rows, 'syncedMilliseconds')} | ${cpu} | ${peak} |`
        : `| ${name} | ended after ${LIMIT_SECONDS} s | | | | | |`,
    );
  }
  const others = [...samples].filter(([name]) => name !== 'tsrun load');
  printAim(
    'faster than each',
    others.every(([, rows]) => of(rows, 'milliseconds') > of(own, 'milliseconds')),
  );
  const peak = of(own, 'peakKib') / 1024;
  printAim(`peak memory under ${AIM_PEAK_MIB} MiB (${peak.toFixed(0)})`, peak < AIM_PEAK_MIB);
}

/** How long other work in the same process would wait, as in a server that loads images. */
function printLag({ archive }: Input, root: string): void {
  const script = join(REPOSITORY, 'test/bench/load-lag.ts');
  const words = ['--disable-warning=ExperimentalWarning', script, archive, join(root, 'data')];
  const lag = Number(execFileSync(PINNED_NODE, words, { encoding: 'utf8', timeout: LIMIT_SECONDS * 1000 }));
  printAim(
    `event-loop lag under ${AIM_LAG_MS} ms at the 99th percentile (${lag.toFixed(1)} ms)`,
    lag < AIM_LAG_MS,
  );
}

function smallFiles(directory: string): Input {
  const layer = manyFiles(directory, SMALL_FILES, (number) => ((number * 7919) % 128) ** 2);
  return makeArchive(directory, `One layer of ${SMALL_FILES} small files`, 'small', [layer]);
}

/** Three layers of real software, and one of files as large as those of a program's own. */
function largeImage(directory: string): Input {
  const recipes = ['debian', 'python', 'network'].map((name) =>
    join(REPOSITORY, `.cache/images/${name}.layer.tar`),
  );
  const own = manyFiles(directory, 120, () => 100_000);
  return makeArchive(directory, 'Four layers, 250 MB', 'large', [...recipes, own]);
}

/** The path of a tar; text, so that gzip has what it usually has. */
function manyFiles(directory: string, count: number, bytesOf: (number: number) => number): string {
  const files = join(directory, 'files');
  for (let number = 0; number < count; number++) {
    const folder = join(files, `d${Math.floor(number / FILES_PER_DIRECTORY)}`);
    if (number % FILES_PER_DIRECTORY === 0) mkdirSync(folder, { recursive: true });
    const length = bytesOf(number);
    const line = `${number} is the number of this file and ${number * 31} another one\n`;
    writeFileSync(join(folder, `f${number}`), line.repeat(Math.ceil(length / line.length)).slice(0, length));
  }
  const tar = join(directory, `${count}.tar`);
  execFileSync('tar', ['-cf', tar, '-C', files, '.']);
  rmSync(files, { recursive: true });
  return tar;
}

/** Both an OCI layout and what `docker load` reads, layers in gzip: as `tsrun save` writes it. */
function makeArchive(directory: string, title: string, name: string, layers: readonly string[]): Input {
  const layout = join(directory, `${name}-layout`);
  const recipe = join(directory, 'recipe.json');
  const archive = join(directory, `${name}.tar`);
  writeFileSync(recipe, JSON.stringify({ reference: 'bench:1', config: {} }));
  const env = { ...process.env, SOURCE_DATE_EPOCH: '0', ...rootsIn(join(directory, 'maker')) };
  execFileSync(PINNED_NODE, [join(REPOSITORY, 'rootfs/oci-layout.ts'), recipe, layout, ...layers], { env });
  execFileSync(TSRUN, ['load', '-q', '-i', layout], { env });
  execFileSync(TSRUN, ['save', '-o', archive, 'bench:1'], { env });
  rmSync(layout, { recursive: true });
  return { title, archive };
}
