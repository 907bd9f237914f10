/**
 * node write-code-cache.ts DIST ARGUMENTS... runs the bundle in DIST with the arguments, and when it has ended writes
 * dist/main.cache, which then holds the functions that this command called.
 */
import { writeFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { resolve } from 'node:path';
import { runBundle } from './bundle-loader.ts';

const [node = '', , dist = '', ...args] = process.argv;
const directory = resolve(dist);
const entry = `${directory}/tsrun.cjs`;
process.argv = [node, entry, ...args];
const script = runBundle(directory, new Module(entry), createRequire(entry));
process.on('exit', () => writeFileSync(`${directory}/main.cache`, script.createCachedData()));
