/**
 * The store after a kill -9 at any moment of load, pull, unpacking and rmi: it opens, what is listed is whole, the retry works,
 * and nothing is left over. TSRUN_CRASHES sets how often (8 when not set); CRASH_SEED chooses other moments.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type ImageStore, openImageStore } from '../../src/image/store.ts';
import { type HostPath, hostPath } from '../../src/lib/brands.ts';
import { ociArchive, type TestImage } from '../support/image-archives.ts';
import { pieces, temporaryDirectory } from '../support/layers.ts';
import { random } from '../support/random.ts';
import type { RawEntry } from '../support/raw-tar.ts';
import { serveImage } from '../support/scripted-registry.ts';
import { PROGRAM, SLOWNESS } from '../support/under-test.ts';

const CRASHES = Number(process.env.TSRUN_CRASHES ?? 8);
const chance = random(Number(process.env.CRASH_SEED ?? Date.now() % 100_000));

const IMAGE: TestImage = {
  name: 'crash:1',
  layers: Array.from({ length: 3 }, (_, layer) => manyFiles(layer)),
  pack: (tar) => gzipSync(tar, { level: 1 }),
  layerType: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

function manyFiles(layer: number): RawEntry[] {
  const files = Array.from({ length: 300 }, (_, i) => ({
    name: `layer${layer}/d${i % 10}/f${i}`,
    data: `${layer} ${i}\n`.repeat(10 + ((i * 37) % 900)),
  }));
  return [{ name: '.wh.nothing' }, ...files, { name: 'shared', data: `${layer}`.repeat(100_000) }];
}

interface Attempt {
  /** Words after `tsrun`. */
  readonly command: readonly string[];
  /** Puts the data root into the state before. */
  prepare(root: HostPath): void;
  /** What may be listed at the end of a retry. */
  readonly images: number;
}

test(
  `the store is sound after each of ${CRASHES} kills`,
  async () => {
    const directory = temporaryDirectory();
    const archive = join(directory, 'image.tar');
    writeFileSync(archive, ociArchive(IMAGE));
    const loaded = hostPath(join(directory, 'loaded'));
    await openImageStore(loaded).load({ stream: pieces(ociArchive(IMAGE)) });
    await using registry = await serveImage(IMAGE);

    const fresh = () => undefined;
    const attempts: Readonly<Record<string, Attempt>> = {
      load: { command: ['load', '-i', archive], prepare: fresh, images: 1 },
      pull: { command: ['pull', '-q', `${registry.host}/crash:1`], prepare: fresh, images: 1 },
      unpack: {
        command: ['image', 'inspect', 'crash:1'],
        // As another tool leaves it, which writes to the layout alone.
        prepare: (root) => cpSync(join(loaded, 'image'), join(root, 'image'), { recursive: true }),
        images: 1,
      },
      rmi: {
        command: ['rmi', 'crash:1'],
        prepare: (root) =>
          cpSync(loaded, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true }),
        images: 0,
      },
    };
    const moments = [];
    for (const [name, attempt] of Object.entries(attempts)) {
      const root = hostPath(join(directory, `${name}-whole`));
      attempt.prepare(root);
      const started = performance.now();
      expect(await run(root, attempt.command)).toBe(0);
      const milliseconds = performance.now() - started;
      moments.push({ name, attempt, milliseconds, wanted: contents(openImageStore(root)) });
      rmSync(root, { recursive: true });
    }
    let killed = 0;
    for (let n = 0; n < CRASHES; n++) {
      const { name, attempt, milliseconds, wanted } = moments[n % moments.length] as (typeof moments)[number];
      const root = hostPath(join(directory, `crash-${n}`));
      attempt.prepare(root);
      const killAfterMs = chance.int(milliseconds);
      const status = await run(root, attempt.command, killAfterMs);
      if (status === 'SIGKILL') killed++;
      const what = `${name}, killed after ${killAfterMs} of ${Math.round(milliseconds)} ms`;
      const store = openImageStore(root);
      expect(await problems(store), what).toEqual([]);
      const retried = await run(root, attempt.command);
      if (!(name === 'rmi' && retried === 1)) expect(retried, what).toBe(0);
      expect(await problems(store), what).toEqual([]);
      expect(contents(store), what).toEqual(wanted);
      expect(await store.list(), what).toHaveLength(attempt.images);
      rmSync(root, { recursive: true });
    }
    expect(killed).toBeGreaterThan(0);
  },
  (60_000 + CRASHES * 15_000) * SLOWNESS,
);

/** The exit status, or the signal. */
async function run(
  root: HostPath,
  command: readonly string[],
  killAfterMs?: number,
): Promise<number | string> {
  const env = { ...process.env, TSRUN_ROOT: root, TSRUN_RUN_ROOT: `${root}.run` };
  const child = spawn(PROGRAM, command, { env, stdio: 'ignore' });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(timer);
  return code ?? signal ?? 'no status';
}

async function problems(store: ImageStore) {
  return (await store.check({ repair: false, uses: () => [], pull: async () => undefined })).problems;
}

/** Everything that takes room, by name; short names and marks of containers are what a retry may choose anew. */
function contents({ paths }: ImageStore) {
  const { temporary, links, layers, resolved, blobs } = paths;
  const names = (path: string) => (existsSync(path) ? readdirSync(path).toSorted() : []);
  return {
    temporary: names(temporary),
    links: names(links).length,
    layers: names(layers),
    resolved: names(resolved),
    blobs: names(`${blobs}/sha256`),
  };
}
