/**
 * Unpacking a layer of 20,000 small files: tar, umoci, and `tsrun load`. Each on a
 * fresh file system in each round.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFreshFileSystem } from './fresh-file-system.ts';
import {
  type Contestant,
  median,
  PINNED_NODE,
  printAim,
  printTable,
  REPOSITORY,
  runInTurn,
} from './measure.ts';

const FILES = 20_000;
const FILES_PER_DIRECTORY = 50;
const ROUNDS = 5;
const FILE_SYSTEM_BYTES = 2 * 2 ** 30;

export async function benchUnpack(scratch: string): Promise<void> {
  const directory = join(scratch, 'unpack');
  const target = join(directory, 'fresh');
  mkdirSync(target, { recursive: true });
  const { tarball, layout, archive } = makeInputs(directory);

  const contestants: readonly Contestant[] = [
    { name: 'tar -xzf', command: ['tar', '-xzf', tarball, '-C', target] },
    {
      name: 'tar -xzf, and sync',
      command: ['sh', '-c', `tar -xzf ${tarball} -C ${target} && sync -f ${target}`],
    },
    {
      name: 'umoci unpack',
      command: ['umoci', 'unpack', '--image', `${layout}:bench`, join(target, 'bundle')],
    },
    {
      name: 'tsrun load (verified, synced)',
      command: [join(REPOSITORY, 'dist/bin/tsrun'), 'load', '-i', archive],
    },
  ];
  const env = { TSRUN_ROOT: join(target, 'data'), TSRUN_RUN_ROOT: join(target, 'run') };
  const samples = contestants.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, contestant] of contestants.entries()) {
      await withFreshFileSystem(directory, target, FILE_SYSTEM_BYTES, () => {
        samples[index]?.push(timeOnce(contestant, env));
      });
    }
  }
  const medians = samples.map(median);
  const [tar = Number.NaN, , , ours = Number.NaN] = medians;
  printTable(
    `Unpacking ${FILES} files (ratio to tar)`,
    contestants.map((c) => c.name),
    medians,
    tar,
  );
  printAim('as fast as tar -xzf', ours <= tar);
}

function timeOnce(contestant: Contestant, env: Readonly<Record<string, string>>): number {
  return runInTurn(1, [contestant], { env })[0]?.[0] ?? Number.NaN;
}

interface Inputs {
  readonly tarball: string;
  /** An OCI image layout with the tag `bench`. */
  readonly layout: string;
  /** The same as one file. */
  readonly archive: string;
}

function makeInputs(directory: string): Inputs {
  const files = join(directory, 'files');
  for (let number = 0; number < FILES; number++) {
    const folder = join(files, `d${Math.floor(number / FILES_PER_DIRECTORY)}`);
    if (number % FILES_PER_DIRECTORY === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${number}`), content(number));
  }
  const layer = join(directory, 'layer.tar');
  const tarball = join(directory, 'layer.tar.gz');
  const layout = join(directory, 'layout');
  const archive = join(directory, 'image.tar');
  const recipe = join(directory, 'recipe.json');
  writeFileSync(recipe, JSON.stringify({ reference: 'bench', config: {} }));
  execFileSync('tar', ['-cf', layer, '-C', files, '.']);
  execFileSync('sh', ['-c', `gzip -c ${layer} > ${tarball}`]);
  execFileSync(PINNED_NODE, [join(REPOSITORY, 'rootfs/oci-layout.ts'), recipe, layout, layer], {
    env: { ...process.env, SOURCE_DATE_EPOCH: '0' },
  });
  execFileSync('tar', ['-cf', archive, '-C', layout, '.']);
  return { tarball, layout, archive };
}

/** 0 to 16 KiB, most of them small, as in a real image; text, so that gzip has what it usually has. */
function content(number: number): string {
  const length = ((number * 7919) % 128) ** 2;
  return `${number} is the number of this file and ${number * 31} another one\n`
    .repeat(Math.ceil(length / 50))
    .slice(0, length);
}
