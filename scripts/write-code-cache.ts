/**
 * node write-code-cache.ts DIST ARGUMENTS... runs the bundle in DIST with the arguments, and writes V8's code cache of each of
 * its files that was loaded, which then holds the functions that this command called.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { cacheOf, runBundle } from './bundle-loader.ts';

const [node = '', , dist = '', ...args] = process.argv;
const directory = resolve(dist);
const entry = `${directory}/tsrun.cjs`;
process.argv = [node, entry, ...args];
const scripts = runBundle(directory, createRequire(entry));

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
