/**
 * node bundle.ts DIRECTORY makes CommonJS of the sources: tsrun.cjs, which is started; main.cjs, all that `tsrun run`
 * calls; and chunks/, what other commands and rarer ways of `run` load when they are called. Node starts CommonJS without
 * its loader for ES modules, and what V8 is given costs time whether it is called or not.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type OutputOptions, rolldown } from 'rolldown';

const REPOSITORY = join(import.meta.dirname, '..');
const START = join(REPOSITORY, 'scripts/bundle-entry.ts');
const MAIN = join(REPOSITORY, 'src/cli/main.ts');
/** What every usual run imports by a call of import(). */
const ALSO_IN_MAIN = ['src/cli/run.ts', 'src/security/seccomp-default-program.gen.ts'].map((path) =>
  join(REPOSITORY, path),
);

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: bundle.ts DIRECTORY');

await bundle(START, directory, { entryFileNames: 'tsrun.cjs' });
await bundle(MAIN, directory, {
  entryFileNames: 'main.cjs',
  chunkFileNames: 'chunks/[name].cjs',
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [
      {
        name: (id, graph) => (importedAtStart((of) => graph.getModuleInfo(of)).has(id) ? 'main' : null),
        debugName: 'what a run calls',
      },
    ],
  },
});

async function bundle(input: string, directory: string, options: OutputOptions): Promise<void> {
  const program = await rolldown({
    input,
    platform: 'node',
    external: ['koffi'],
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

/** The files that are imported, not by a call of import(), from where a run starts. */
function importedAtStart(infoOf: ModuleInfo): ReadonlySet<string> {
  const found = new Set([MAIN, ...ALSO_IN_MAIN]);
  // A set that grows while it is walked is walked to its new end.
  for (const id of found) for (const imported of infoOf(id)?.importedIds ?? []) found.add(imported);
  return found;
}
