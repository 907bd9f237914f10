/**
 * Runs the bundle with V8's code cache. Node's own compile cache holds only what V8 compiles before the first call,
 * not the functions that a run calls, and compiling those takes 8 ms of every cold start. V8 takes a cache only from
 * the same V8 with the same flags and the same source; otherwise it compiles as if there were none.
 */
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

/** `directory` holds main.cjs and perhaps main.cache; `require` is that of the file that starts. */
export function runBundle(directory: string, require: NodeJS.Require): Script {
  const filename = `${directory}/main.cjs`;
  // The bundle is plain ASCII, which needs no decoding.
  const source = readFileSync(filename, 'latin1');
  const cachedData = readIfThere(`${directory}/main.cache`);
  const script = new Script(`(function(require,__filename){${source}\n})`, {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  script.runInThisContext()(require, filename);
  return script;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
