/**
 * Runs the bundle with V8's code cache. Node's own compile cache holds only what V8 compiles before the first call,
 * not the functions that a run calls, and compiling those takes 8 ms of every cold start. V8 takes a cache only from
 * the same V8 with the same flags and the same source; otherwise it compiles as if there were none.
 */
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

/**
 * `directory` holds main.cjs and perhaps main.cache. `module` becomes the module of main.cjs, which the chunks require by its
 * name; `require` is a function of a file in the directory.
 */
export function runBundle(directory: string, module: NodeJS.Module, require: NodeJS.Require): Script {
  const filename = `${directory}/main.cjs`;
  // The bundle is plain ASCII, which needs no decoding.
  const source = readFileSync(filename, 'latin1');
  const cachedData = readIfThere(`${directory}/main.cache`);
  const script = new Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  require.cache[filename] = module;
  script.runInThisContext()(module.exports, require, module, filename, directory);
  return script;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
