/**
 * Loads the bundle, each file with V8's code cache of it. Node's own compile cache holds only what V8 compiles before the
 * first call, not the functions that a run calls, and compiling those takes 8 ms of every cold start. V8 takes a cache only
 * from the same V8 with the same flags and the same source; otherwise it compiles as if there were none.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Script } from 'node:vm';

/**
 * Runs the file `main` of the bundle, and returns the files that it and the chunks have loaded so far, by name. `require` is Node's,
 * for what is not in the bundle.
 */
export function runBundle(main: string, require: NodeJS.Require): ReadonlyMap<string, Script> {
  const scripts = new Map<string, Script>();
  const modules = new Map<string, { readonly exports: unknown }>();
  const load = (filename: string): unknown => {
    const loaded = modules.get(filename);
    if (loaded !== undefined) return loaded.exports;
    const module = { exports: {} };
    modules.set(filename, module);
    const script = compile(filename);
    scripts.set(filename, script);
    const here = dirname(filename);
    const requireFromHere = (id: string) => (id.startsWith('.') ? load(resolve(here, id)) : require(id));
    script.runInThisContext()(module.exports, requireFromHere, module, filename, here);
    return module.exports;
  };
  load(main);
  return scripts;
}

/** Where the code cache of a file of the bundle lies. */
export const cacheOf = (filename: string): string => filename.replace(/\.cjs$/, '.cache');

function compile(filename: string): Script {
  // The bundle is plain ASCII, which needs no decoding.
  const source = readFileSync(filename, 'latin1');
  const cachedData = readIfThere(cacheOf(filename));
  return new Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
