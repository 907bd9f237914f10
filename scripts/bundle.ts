/**
 * node bundle.ts DIRECTORY makes CommonJS of the sources. For `tsrun`: tsrun.cjs, which is started; main.cjs, all that `tsrun run`
 * calls; and chunks/, what other commands and rarer ways of `run` load when they are called. For `tsrun-oci` the same: tsrun-oci.cjs,
 * oci.cjs with all that engines call, oci-chunks/. Node starts CommonJS without its loader for ES modules, and what V8 is given
 * costs time whether it is called or not.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type OutputOptions, rolldown } from 'rolldown';

const REPOSITORY = join(import.meta.dirname, '..');
const COMMIT = readCommit();
/** Files that are one, with all that they import other than by a call of import(); what is in the first is not in the second. */
type Wholes = Readonly<Record<string, readonly string[]>>;

const TSRUN: Wholes = {
  // What every usual run imports by a call of import() belongs to it.
  main: ['src/cli/main.ts', 'src/cli/run.ts', 'src/security/seccomp-default-program.gen.ts'],
  network: ['src/engine/container-network.ts'],
  // What `load` calls too.
  unpack: ['src/image/blobs.ts', 'src/image/platform.ts', 'src/image/prepare.ts', 'src/image/work.ts'],
  registry: ['src/registry/login.ts', 'src/registry/pull.ts', 'src/registry/push.ts'],
};
const TSRUN_OCI: Wholes = {
  // Most calls of an engine are for a container that is there; what makes one is larger than all the rest.
  oci: ['main', 'delete', 'kill', 'start', 'state'].map((verb) => `src/cli/oci/${verb}.ts`),
  make: ['create', 'exec', 'run'].map((verb) => `src/cli/oci/${verb}.ts`),
  seccomp: ['src/security/seccomp-compile.ts'],
};

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: bundle.ts DIRECTORY');

await bundle('scripts/bundle-entry.ts', directory, { entryFileNames: 'tsrun.cjs' });
await bundle('src/cli/main.ts', directory, splitting('main.cjs', 'chunks', TSRUN));
await bundle('scripts/bundle-entry-oci.ts', directory, { entryFileNames: 'tsrun-oci.cjs' });
await bundle('src/cli/oci/main.ts', directory, splitting('oci.cjs', 'oci-chunks', TSRUN_OCI));

/** What src/cli/version.ts says; the sources need not be a repository. */
function readCommit(): string {
  const { status, stdout } = spawnSync('git', ['-C', REPOSITORY, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'unknown';
}

function splitting(main: string, chunks: string, wholes: Wholes): OutputOptions {
  return {
    entryFileNames: main,
    chunkFileNames: `${chunks}/[name].cjs`,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: Object.entries(wholes).map(([name, files]) => ({
        debugName: name,
        name: (id, graph) => (imported(files, (of) => graph.getModuleInfo(of)).has(id) ? name : null),
      })),
    },
  };
}

async function bundle(input: string, directory: string, options: OutputOptions): Promise<void> {
  const program = await rolldown({
    input: join(REPOSITORY, input),
    platform: 'node',
    external: ['koffi'],
    transform: { define: { 'process.env.TSRUN_COMMIT': JSON.stringify(COMMIT) } },
    preserveEntrySignatures: false,
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await program.generate({ format: 'cjs', minify: true, comments: false, ...options });
  for (const file of output) {
    if (file.type !== 'chunk') throw new Error(`${file.fileName} is no code`);
    const path = join(directory, file.fileName);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, inAscii(file.code));
  }
}

/** Text of one byte a character is what V8 takes as it is: outside strings and patterns the minified code has no other. */
function inAscii(code: string): string {
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

type ModuleInfo = (id: string) => { readonly importedIds: readonly string[] } | null;

/** `files`, and what is imported from there, not by a call of import(). */
function imported(files: readonly string[], infoOf: ModuleInfo): ReadonlySet<string> {
  const found = new Set(files.map((file) => join(REPOSITORY, file)));
  // A set that grows while it is walked is walked to its new end.
  for (const id of found) for (const imported of infoOf(id)?.importedIds ?? []) found.add(imported);
  return found;
}
