/**
 * node write-code-cache.ts MAIN ARGUMENTS... runs a main file of the bundle with the arguments, and writes V8's code cache of each
 * file that was loaded, which then holds the functions that this command called, and those that the cache held before.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { cacheOf, runBundle } from './bundle-loader.ts';

const [node = '', , file = '', ...args] = process.argv;
const main = resolve(file);
process.argv = [node, main, ...args];
const scripts = runBundle(main, createRequire(main));

function writeCaches(): void {
  for (const [filename, script] of scripts) writeFileSync(cacheOf(filename), script.createCachedData());
}

process.on('exit', writeCaches);
// `run` does not end, it becomes another program.
const { execve } = process;
if (execve !== undefined)
  process.execve = (...command) => {
    writeCaches();
    return execve(...command);
  };
